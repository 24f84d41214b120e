-- Views for people: what the narrow projection tables say together. Made anew whenever a table was.

DROP VIEW IF EXISTS {schema}.session_overview;

CREATE VIEW {schema}.session_overview AS
SELECT
    s.tenant,
    s.key AS session,
    s.state,
    s.title,
    s.agent,
    coalesce(s.model, c.last_model) AS model,
    s.parent,
    s.source,
    s.directory,
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
    s.first_time AS created_time,
    greatest(s.last_time, c.last_time, t.last_time) AS last_time,
    greatest(s.last_position, c.last_position, t.last_position) AS last_position,
    s.expires_at,
    s.error,
    coalesce(t.total, 0) AS todos_total,
    coalesce(t.completed, 0) AS todos_completed,
    m.summary,
    s.stream_id
FROM {schema}.sessions AS s
LEFT JOIN {schema}.conversations AS c ON c.stream_id = s.stream_id
LEFT JOIN {schema}.todo_lists AS t ON t.stream_id = s.stream_id
LEFT JOIN LATERAL (
    SELECT n.generation FROM {schema}.generations AS n
    WHERE n.stream_id = s.stream_id ORDER BY n.generation DESC LIMIT 1
) AS g ON true
LEFT JOIN LATERAL (
    SELECT n.summary FROM {schema}.summaries AS n
    WHERE n.stream_id = s.stream_id ORDER BY n.number DESC LIMIT 1
) AS m ON true;

COMMENT ON VIEW {schema}.session_overview IS 'One row per session, deleted ones included: attributes, sums, current generation, latest summary.';

DROP VIEW IF EXISTS {schema}.queue_status;

CREATE VIEW {schema}.queue_status AS
SELECT
    q.tenant,
    q.session,
    q.status,
    count(*) AS count,
    min(q.first_time) AS oldest_time,
    max(q.last_time) AS last_time
FROM {schema}.queue_items AS q
GROUP BY q.tenant, q.session, q.status;

COMMENT ON VIEW {schema}.queue_status IS 'How many items each session has in each status.';
