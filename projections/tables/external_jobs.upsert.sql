-- Write the rows of `external_jobs` that one batch changed. Part of the append function; over its variables:
--   rows                json: [{"s", "f", "l", "version", …state}], of this table; s, f, l are 1-based
--   stream_ids          by s: the stream's id
--   s_tenant, s_key     by s: its identity
--   positions           by f and l: of the first and last event of the row; NULL where it was refused
--   accepted_at         the batch's time
INSERT INTO {schema}.external_jobs AS t (
    stream_id, version, first_position, first_time, last_position, last_time, tenant, key,
    provider, session, external_id, status, delivery, act_at, poll_at, poll_interval_s, timeout_at, worker,
    claim_until, poll_claim, polls, poll_failures, delivery_claim, deliver_at, deliveries, deliveries_unknown,
    deliveries_max, callback, reason, request_version, progress_version, result_version
)
SELECT
    stream_ids[r.s], r.version, positions[r.f], accepted_at, positions[r.l], accepted_at,
    s_tenant[r.s], s_key[r.s],
    r.provider, r.session, r.external_id, r.status, r.delivery, r.act_at, r.poll_at, r.poll_interval_s,
    r.timeout_at, r.worker, r.claim_until, r.poll_claim, r.polls, r.poll_failures, r.delivery_claim,
    r.deliver_at, r.deliveries, r.deliveries_unknown, r.deliveries_max, r.callback, r.reason,
    r.request_version, r.progress_version, r.result_version
FROM json_to_recordset(rows) AS r (
    s integer, f integer, l integer, version bigint,
    provider text, session text, external_id text, status text, delivery text, act_at timestamptz,
    poll_at timestamptz, poll_interval_s double precision, timeout_at timestamptz, worker text,
    claim_until timestamptz, poll_claim bigint, polls bigint, poll_failures bigint, delivery_claim bigint,
    deliver_at timestamptz, deliveries bigint, deliveries_unknown bigint, deliveries_max bigint, callback text,
    reason text, request_version bigint, progress_version bigint, result_version bigint
)
WHERE positions[r.l] IS NOT NULL
ON CONFLICT (stream_id) DO UPDATE SET
    version = excluded.version,
    last_position = excluded.last_position,
    last_time = excluded.last_time,
    provider = excluded.provider,
    session = excluded.session,
    external_id = excluded.external_id,
    status = excluded.status,
    delivery = excluded.delivery,
    act_at = excluded.act_at,
    poll_at = excluded.poll_at,
    poll_interval_s = excluded.poll_interval_s,
    timeout_at = excluded.timeout_at,
    worker = excluded.worker,
    claim_until = excluded.claim_until,
    poll_claim = excluded.poll_claim,
    polls = excluded.polls,
    poll_failures = excluded.poll_failures,
    delivery_claim = excluded.delivery_claim,
    deliver_at = excluded.deliver_at,
    deliveries = excluded.deliveries,
    deliveries_unknown = excluded.deliveries_unknown,
    deliveries_max = excluded.deliveries_max,
    callback = excluded.callback,
    reason = excluded.reason,
    request_version = excluded.request_version,
    progress_version = excluded.progress_version,
    result_version = excluded.result_version;
