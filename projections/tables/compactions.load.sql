-- The newest state of `compactions` for each of some streams; a stream without one is absent.
--   $1  bigint[]  stream ids
SELECT wanted.stream_id, to_json(newest)::text AS state
FROM unnest($1::bigint[]) AS wanted (stream_id)
CROSS JOIN LATERAL (
    SELECT t.number, t.trigger, t.tokens_before, t.tokens_after, t.tokens_saved, t.messages_before,
           t.messages_after, t.logical_parent_id, t.message_id
    FROM {schema}.compactions AS t
    WHERE t.stream_id = wanted.stream_id
    ORDER BY t.number DESC
    LIMIT 1
) AS newest;
