-- Write the rows of `queue_items` that one batch changed. Part of the append function; over its variables:
--   rows                json: [{"s", "f", "l", "version", …state}], of this table; s, f, l are 1-based
--   stream_ids          by s: the stream's id
--   s_tenant, s_key     by s: its identity
--   positions           by f and l: of the first and last event of the row; NULL where it was refused
--   accepted_at         the batch's time
INSERT INTO {schema}.queue_items AS t (
    stream_id, version, first_position, first_time, last_position, last_time, tenant, key,
    session, status, priority, worker, attempts, reason, lease_s, lease, claim, session_version, merged,
    operation
)
SELECT
    stream_ids[r.s], r.version, positions[r.f], accepted_at, positions[r.l], accepted_at,
    s_tenant[r.s], s_key[r.s],
    r.session, r.status, r.priority, r.worker, r.attempts, r.reason, r.lease_s, r.lease, r.claim,
    r.session_version, r.merged, r.operation
FROM json_to_recordset(rows) AS r (
    s integer, f integer, l integer, version bigint,
    session text, status text, priority integer, worker text, attempts bigint, reason text,
    lease_s double precision, lease text, claim bigint, session_version bigint, merged bigint,
    operation text
)
WHERE positions[r.l] IS NOT NULL
ON CONFLICT (stream_id) DO UPDATE SET
    version = excluded.version,
    last_position = excluded.last_position,
    last_time = excluded.last_time,
    session = excluded.session,
    status = excluded.status,
    priority = excluded.priority,
    worker = excluded.worker,
    attempts = excluded.attempts,
    reason = excluded.reason,
    lease_s = excluded.lease_s,
    lease = excluded.lease,
    claim = excluded.claim,
    session_version = excluded.session_version,
    merged = excluded.merged,
    operation = excluded.operation;
