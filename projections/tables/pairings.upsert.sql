-- Write the rows of `pairings` that one batch changed. Part of the append function; over its variables:
--   rows                json: [{"s", "f", "l", "version", …state}], of this table; s, f, l are 1-based
--   stream_ids          by s: the stream's id
--   s_tenant, s_key     by s: its identity
--   positions           by f and l: of the first and last event of the row; NULL where it was refused
--   accepted_at         the batch's time
INSERT INTO {schema}.pairings AS t (
    stream_id, version, first_position, first_time, last_position, last_time, tenant, key,
    channel, peer, status, code, expires_at
)
SELECT
    stream_ids[r.s], r.version, positions[r.f], accepted_at, positions[r.l], accepted_at,
    s_tenant[r.s], s_key[r.s],
    r.channel, r.peer, r.status, r.code, r.expires_at
FROM json_to_recordset(rows) AS r (
    s integer, f integer, l integer, version bigint,
    channel text, peer text, status text, code text, expires_at timestamptz
)
WHERE positions[r.l] IS NOT NULL
ON CONFLICT (stream_id) DO UPDATE SET
    version = excluded.version,
    last_position = excluded.last_position,
    last_time = excluded.last_time,
    channel = excluded.channel,
    peer = excluded.peer,
    status = excluded.status,
    code = excluded.code,
    expires_at = excluded.expires_at;
