-- The state of `external_jobs` for each of some streams; a stream without one is absent.
--   $1  bigint[]  stream ids
-- The time zone of the connection must not show in the text: times are written in UTC.
SELECT wanted.stream_id, to_json(newest)::text AS state
FROM unnest($1::bigint[]) AS wanted (stream_id)
CROSS JOIN LATERAL (
    SELECT
        t.provider, t.session, t.external_id, t.status, t.delivery,
        to_char(t.act_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS act_at,
        to_char(t.poll_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS poll_at, t.poll_interval_s,
        to_char(t.timeout_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS timeout_at, t.worker,
        to_char(t.claim_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS claim_until,
        t.poll_claim, t.polls, t.poll_failures, t.delivery_claim,
        to_char(t.deliver_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS deliver_at, t.deliveries,
        t.deliveries_unknown, t.deliveries_max, t.callback, t.reason, t.request_version, t.progress_version,
        t.result_version
    FROM {schema}.external_jobs AS t
    WHERE t.stream_id = wanted.stream_id
) AS newest;
