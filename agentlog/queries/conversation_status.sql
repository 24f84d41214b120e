-- Counts and totals of one session's messages, and its latest summary.
--   $1 tenant text, $2 session key text
SELECT
    c.message_count, c.window_message_count, c.compaction_count, c.last_message_id, c.last_role, c.last_model,
    c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_write_tokens, c.reasoning_tokens, c.cost,
    c.last_time,
    (SELECT m.summary FROM {schema}.summaries AS m
      WHERE m.stream_id = s.id ORDER BY m.number DESC LIMIT 1) AS summary
FROM {schema}.streams AS s
LEFT JOIN {schema}.conversations AS c ON c.stream_id = s.id
WHERE s.tenant = $1 AND s.kind = 'session' AND s.key = $2
