-- Summaries of one session, oldest first.
--   $1 tenant text, $2 session key text
SELECT m.number, m.summary, m.trigger, m.tokens_before, m.tokens_after, m.leaf_id, m.version, m.first_time AS time
FROM {schema}.streams AS s
JOIN {schema}.summaries AS m ON m.stream_id = s.id
WHERE s.tenant = $1 AND s.kind = 'session' AND s.key = $2
ORDER BY m.number
