-- The state of `task_lanes` for each of some streams; a stream without one is absent.
-- The time zone of the connection must not show in the text: times are written in UTC.
--   $1  bigint[]  stream ids
SELECT wanted.stream_id, to_json(newest)::text AS state
FROM unnest($1::bigint[]) AS wanted (stream_id)
CROSS JOIN LATERAL (
    SELECT
        t.tokens,
        to_char(t.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
    FROM {schema}.task_lanes AS t
    WHERE t.stream_id = wanted.stream_id
) AS newest;
