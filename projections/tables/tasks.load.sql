-- The state of `tasks` for each of some streams; a stream without one is absent.
-- The time zone of the connection must not show in the text: times are written in UTC.
--   $1  bigint[]  stream ids
SELECT wanted.stream_id, to_json(newest)::text AS state
FROM unnest($1::bigint[]) AS wanted (stream_id)
CROSS JOIN LATERAL (
    SELECT
        t.queue, t.session, t.status, t.priority,
        to_char(t.run_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS run_at,
        to_char(t.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS expires_at,
        t.dedup, t.lane,
        t.lane_running_max, t.lane_rate_max, t.lane_rate_s, t.retries_max, t.backoff_s, t.worker,
        t.lease_s, t.lease, t.claim, t.attempts, t.retries, t.releases, t.turn, t.merged, t.notified,
        t.reason
    FROM {schema}.tasks AS t
    WHERE t.stream_id = wanted.stream_id
) AS newest;
