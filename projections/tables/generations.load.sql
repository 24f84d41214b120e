-- The newest state of `generations` for each of some streams; a stream without one is absent.
--   $1  bigint[]  stream ids
SELECT wanted.stream_id, to_json(newest)::text AS state
FROM unnest($1::bigint[]) AS wanted (stream_id)
CROSS JOIN LATERAL (
    SELECT t.generation, t.first_message, t.reason
    FROM {schema}.generations AS t
    WHERE t.stream_id = wanted.stream_id
    ORDER BY t.generation DESC
    LIMIT 1
) AS newest;
