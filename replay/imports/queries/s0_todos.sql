-- Things to do of one session, the oldest first.
--   $1 session text
SELECT id, plan_id, content, active_form, status, created_at, started_at, completed_at
  FROM "{prefix}todos"
 WHERE session_id = $1
 ORDER BY created_at, ctid
