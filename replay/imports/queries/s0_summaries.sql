-- Summaries of one session, the oldest first.
--   $1 session text
SELECT id, summary, leaf_message_id, created_at
  FROM "{prefix}summaries"
 WHERE session_id = $1
 ORDER BY created_at, ctid
