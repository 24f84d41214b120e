-- Compactions of one session, oldest first, each with the summary that it brought.
--   $1 tenant text, $2 session key text
SELECT k.number, k.trigger, k.tokens_before, k.tokens_after, k.tokens_saved, k.messages_before,
       k.messages_after, k.logical_parent_id, k.message_id, m.summary, k.version, k.first_time AS time
FROM {schema}.streams AS s
JOIN {schema}.compactions AS k ON k.stream_id = s.id
LEFT JOIN {schema}.summaries AS m ON m.stream_id = k.stream_id AND m.version = k.version
WHERE s.tenant = $1 AND s.kind = 'session' AND s.key = $2
ORDER BY k.number
