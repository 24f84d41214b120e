-- Compactions of one session, the oldest first.
--   $1 session text
SELECT id, trigger, pre_tokens, post_tokens, saved_tokens, summary, original_count, new_count,
       logical_parent_id, created_at
  FROM "{prefix}compacts"
 WHERE session_id = $1
 ORDER BY created_at, ctid
