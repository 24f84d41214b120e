-- The state of `schedules` for each of some streams; a stream without one is absent.
--   $1  bigint[]  stream ids
-- The time zone of the connection must not show in the text: times are written in UTC.
SELECT wanted.stream_id, to_json(newest)::text AS state
FROM unnest($1::bigint[]) AS wanted (stream_id)
CROSS JOIN LATERAL (
    SELECT
        t.cron, t.session, t.time_zone, t.priority, t.catch_up, t.catch_up_max, t.late_s, t.overlap,
        t.jitter_s, t.is_set, t.paused, t.description, t.set_version, t.changed_version,
        to_char(t.next_tick AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS next_tick,
        to_char(t.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS due_at,
        to_char(t.last_tick AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS last_tick, t.last_item,
        t.fired, t.skipped
    FROM {schema}.schedules AS t
    WHERE t.stream_id = wanted.stream_id
) AS newest;
