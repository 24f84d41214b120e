-- Queue of one session, the oldest first; priority is a column and stays one.
--   $1 session text
SELECT id, operation, content, priority, status, created_at, processed_at
  FROM "{prefix}queue"
 WHERE session_id = $1
 ORDER BY created_at, ctid
