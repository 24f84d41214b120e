-- Write the rows of `plans` that one batch changed. Part of the append function; over its variables:
--   rows                json: [{"s", "f", "l", "version", …state}], of this table; s, f, l are 1-based
--   stream_ids          by s: the stream's id
--   s_tenant, s_key     by s: its identity
--   positions           by f and l: of the first and last event of the row; NULL where it was refused
--   accepted_at         the batch's time
INSERT INTO {schema}.plans AS t (
    stream_id, version, first_position, first_time, last_position, last_time, tenant, key,
    session, plan_id, name, content, status, error, created_at, approved_at, started_at, completed_at
)
SELECT
    stream_ids[r.s], r.version, positions[r.f], accepted_at, positions[r.l], accepted_at,
    s_tenant[r.s], s_key[r.s],
    r.session, r.plan_id, r.name, r.content, r.status, r.error, r.created_at, r.approved_at, r.started_at,
    r.completed_at
FROM json_to_recordset(rows) AS r (
    s integer, f integer, l integer, version bigint,
    session text, plan_id text, name text, content text, status text, error text, created_at timestamptz,
    approved_at timestamptz, started_at timestamptz, completed_at timestamptz
)
WHERE positions[r.l] IS NOT NULL
ON CONFLICT (stream_id) DO UPDATE SET
    version = excluded.version,
    last_position = excluded.last_position,
    last_time = excluded.last_time,
    session = excluded.session,
    plan_id = excluded.plan_id,
    name = excluded.name,
    content = excluded.content,
    status = excluded.status,
    error = excluded.error,
    created_at = excluded.created_at,
    approved_at = excluded.approved_at,
    started_at = excluded.started_at,
    completed_at = excluded.completed_at;
