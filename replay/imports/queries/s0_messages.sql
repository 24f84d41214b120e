-- Messages of one session, in the order in which they were written; those of one moment as they lie in the table.
--   $1 session text
SELECT id, parent_id, role, content::text, is_sidechain, is_compact_summary, model, request_id,
       usage::text, metadata::text, environment::text, created_at
  FROM "{prefix}messages"
 WHERE session_id = $1
 ORDER BY created_at, ctid
