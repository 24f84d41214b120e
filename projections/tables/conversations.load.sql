-- The state of `conversations` for each of some streams; a stream without one is absent.
--   $1  bigint[]  stream ids
SELECT wanted.stream_id, to_json(newest)::text AS state
FROM unnest($1::bigint[]) AS wanted (stream_id)
CROSS JOIN LATERAL (
    SELECT t.message_count, t.window_start, t.window_message_count, t.compaction_count,
           t.last_message_id, t.last_role, t.last_model, t.input_tokens, t.output_tokens,
           t.cache_read_tokens, t.cache_write_tokens, t.reasoning_tokens, t.cost
    FROM {schema}.conversations AS t
    WHERE t.stream_id = wanted.stream_id
) AS newest;
