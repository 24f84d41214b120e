-- Write the rows of `conversations` that one batch changed. Part of the append function; over its variables:
--   rows                json: [{"s", "f", "l", "version", …state}], of this table; s, f, l are 1-based
--   stream_ids          by s: the stream's id
--   s_tenant, s_key     by s: its identity
--   positions           by f and l: of the first and last event of the row; NULL where it was refused
--   accepted_at         the batch's time
INSERT INTO {schema}.conversations AS t (
    stream_id, version, first_position, first_time, last_position, last_time, tenant, key,
    message_count, window_start, window_message_count, compaction_count, last_message_id, last_role,
    last_model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
    cost
)
SELECT
    stream_ids[r.s], r.version, positions[r.f], accepted_at, positions[r.l], accepted_at,
    s_tenant[r.s], s_key[r.s],
    r.message_count, r.window_start, r.window_message_count, r.compaction_count, r.last_message_id,
    r.last_role, r.last_model, r.input_tokens, r.output_tokens, r.cache_read_tokens,
    r.cache_write_tokens, r.reasoning_tokens, r.cost
FROM json_to_recordset(rows) AS r (
    s integer, f integer, l integer, version bigint,
    message_count bigint, window_start bigint, window_message_count bigint, compaction_count bigint,
    last_message_id text, last_role text, last_model text, input_tokens bigint, output_tokens bigint,
    cache_read_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint, cost numeric
)
WHERE positions[r.l] IS NOT NULL
ON CONFLICT (stream_id) DO UPDATE SET
    version = excluded.version,
    last_position = excluded.last_position,
    last_time = excluded.last_time,
    message_count = excluded.message_count,
    window_start = excluded.window_start,
    window_message_count = excluded.window_message_count,
    compaction_count = excluded.compaction_count,
    last_message_id = excluded.last_message_id,
    last_role = excluded.last_role,
    last_model = excluded.last_model,
    input_tokens = excluded.input_tokens,
    output_tokens = excluded.output_tokens,
    cache_read_tokens = excluded.cache_read_tokens,
    cache_write_tokens = excluded.cache_write_tokens,
    reasoning_tokens = excluded.reasoning_tokens,
    cost = excluded.cost;
