-- Sessions of a Postgres session store, a page in order of their ids; JSON as text, to the digit.
--   $1 after text     ids greater than this; NULL for the first page
--   $2 limit integer
SELECT id, parent_id, tenant_id, session_type, state, mode, config::text, permissions::text, summary,
       total_input_tokens, total_output_tokens, total_cost_usd, current_leaf_id, static_context_hash, error,
       created_at, updated_at, expires_at
  FROM "{prefix}sessions"
 WHERE $1::text IS NULL OR id COLLATE "C" > $1
 ORDER BY id COLLATE "C"
 LIMIT $2
