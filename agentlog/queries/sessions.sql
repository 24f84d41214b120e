-- Sessions with what is known of each; newest first, as a keyset page.
--   $1 tenant  text    NULL for all tenants
--   $2 key     text    one session; NULL for all
--   $3 state   text    sessions in that state; NULL for all that are not deleted, '*' for all
--   $4 parent  text    children of that session; NULL for all
--   $5 before  bigint  stream id that the page comes after, newest first; NULL for the first page
--   $6 type    text    sessions of that type; NULL for all
--   $7 from    timestamptz  created at or after it; $8 before: created before it; NULL for all
--   $9 active  timestamptz  last heard of at or after it; NULL for all
--   $10 limit  integer
SELECT
    s.stream_id, s.key, s.tenant, s.state, s.title, s.agent, s.mode, s.parent, s.source, s.directory,
    coalesce(s.model, c.last_model) AS model, s.git_branch, s.tool_version, s.expires_at, s.error, s.config::text AS config,
    i.version, s.session_type, s.permissions::text AS permissions, s.static_context_hash,
    c.last_message_id AS current_leaf_id, m.summary,
    coalesce(g.generation, 0) AS generation,
    coalesce(c.message_count, 0) AS message_count,
    coalesce(c.window_message_count, 0) AS window_message_count,
    coalesce(c.compaction_count, 0) AS compaction_count,
    coalesce(c.input_tokens, 0) AS input_tokens,
    coalesce(c.output_tokens, 0) AS output_tokens,
    coalesce(c.cache_read_tokens, 0) AS cache_read_tokens,
    coalesce(c.cache_write_tokens, 0) AS cache_write_tokens,
    coalesce(c.reasoning_tokens, 0) AS reasoning_tokens,
    coalesce(c.cost, 0) AS cost,
    coalesce(t.total, 0) AS todos_total,
    coalesce(t.completed, 0) AS todos_completed,
    coalesce(s.created_at, s.first_time) AS created_time,
    greatest(s.last_time, c.last_time, t.last_time) AS last_time
FROM {schema}.sessions AS s
JOIN {schema}.streams AS i ON i.id = s.stream_id
LEFT JOIN {schema}.conversations AS c ON c.stream_id = s.stream_id
LEFT JOIN {schema}.todo_lists AS t ON t.stream_id = s.stream_id
LEFT JOIN LATERAL (
    SELECT n.generation FROM {schema}.generations AS n
    WHERE n.stream_id = s.stream_id ORDER BY n.generation DESC LIMIT 1
) AS g ON true
LEFT JOIN LATERAL (
    SELECT n.summary FROM {schema}.summaries AS n
    WHERE n.stream_id = s.stream_id ORDER BY n.number DESC LIMIT 1
) AS m ON true
WHERE ($1::text IS NULL OR s.tenant = $1)
    AND ($2::text IS NULL OR s.stream_id = (
        SELECT i.id FROM {schema}.streams AS i WHERE i.tenant = $1 AND i.kind = 'session' AND i.key = $2))
    AND CASE WHEN $3::text IS NULL THEN s.state <> 'deleted' ELSE $3 = '*' OR s.state = $3 END
    AND ($4::text IS NULL OR s.parent = $4)
    AND ($5::bigint IS NULL OR s.stream_id < $5)
    AND ($6::text IS NULL OR s.session_type = $6)
    AND ($7::timestamptz IS NULL OR coalesce(s.created_at, s.first_time) >= $7)
    AND ($8::timestamptz IS NULL OR coalesce(s.created_at, s.first_time) < $8)
    AND ($9::timestamptz IS NULL OR greatest(s.last_time, c.last_time, t.last_time) >= $9)
ORDER BY s.stream_id DESC
LIMIT $10
