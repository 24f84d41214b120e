-- Write the rows of `tasks` that one batch changed. Part of the append function; over its variables:
--   rows                json: [{"s", "f", "l", "version", …state}], of this table; s, f, l are 1-based
--   stream_ids          by s: the stream's id
--   s_tenant, s_key     by s: its identity
--   positions           by f and l: of the first and last event of the row; NULL where it was refused
--   accepted_at         the batch's time
INSERT INTO {schema}.tasks AS t (
    stream_id, version, first_position, first_time, last_position, last_time, tenant, key,
    queue, session, status, priority, run_at, expires_at, dedup, lane, lane_running_max, lane_rate_max,
    lane_rate_s, retries_max, backoff_s, worker, lease_s, lease, claim, attempts, retries, releases,
    turn, merged, notified, reason
)
SELECT
    stream_ids[r.s], r.version, positions[r.f], accepted_at, positions[r.l], accepted_at,
    s_tenant[r.s], s_key[r.s],
    r.queue, r.session, r.status, r.priority, r.run_at, r.expires_at, r.dedup, r.lane,
    r.lane_running_max, r.lane_rate_max, r.lane_rate_s, r.retries_max, r.backoff_s, r.worker, r.lease_s,
    r.lease, r.claim, r.attempts, r.retries, r.releases, r.turn, r.merged, r.notified, r.reason
FROM json_to_recordset(rows) AS r (
    s integer, f integer, l integer, version bigint,
    queue text, session text, status text, priority integer, run_at timestamptz, expires_at timestamptz,
    dedup text, lane text, lane_running_max bigint, lane_rate_max double precision,
    lane_rate_s double precision, retries_max bigint, backoff_s double precision, worker text,
    lease_s double precision, lease text, claim bigint, attempts bigint, retries bigint, releases bigint,
    turn bigint, merged bigint, notified boolean, reason text
)
WHERE positions[r.l] IS NOT NULL
ON CONFLICT (stream_id) DO UPDATE SET
    version = excluded.version,
    last_position = excluded.last_position,
    last_time = excluded.last_time,
    queue = excluded.queue,
    session = excluded.session,
    status = excluded.status,
    priority = excluded.priority,
    run_at = excluded.run_at,
    expires_at = excluded.expires_at,
    dedup = excluded.dedup,
    lane = excluded.lane,
    lane_running_max = excluded.lane_running_max,
    lane_rate_max = excluded.lane_rate_max,
    lane_rate_s = excluded.lane_rate_s,
    retries_max = excluded.retries_max,
    backoff_s = excluded.backoff_s,
    worker = excluded.worker,
    lease_s = excluded.lease_s,
    lease = excluded.lease,
    claim = excluded.claim,
    attempts = excluded.attempts,
    retries = excluded.retries,
    releases = excluded.releases,
    turn = excluded.turn,
    merged = excluded.merged,
    notified = excluded.notified,
    reason = excluded.reason;
