-- The state of `schedule_lists` for each of some streams; a stream without one is absent.
--   $1  bigint[]  stream ids
SELECT wanted.stream_id, to_json(newest)::text AS state
FROM unnest($1::bigint[]) AS wanted (stream_id)
CROSS JOIN LATERAL (
    SELECT
        t.replaced, t.schedules
    FROM {schema}.schedule_lists AS t
    WHERE t.stream_id = wanted.stream_id
) AS newest;
