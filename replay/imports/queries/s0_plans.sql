-- Plans of one session, the oldest first: the last one is current.
--   $1 session text
SELECT id, name, content, status, error, created_at, approved_at, started_at, completed_at
  FROM "{prefix}plans"
 WHERE session_id = $1
 ORDER BY created_at, ctid
