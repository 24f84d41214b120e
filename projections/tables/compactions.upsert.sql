-- Write the rows of `compactions` that one batch changed. Part of the append function; over its variables:
--   rows                json: [{"s", "f", "l", "version", …state}], of this table; s, f, l are 1-based
--   stream_ids          by s: the stream's id
--   s_tenant, s_key     by s: its identity
--   positions           by f and l: of the first and last event of the row; NULL where it was refused
--   accepted_at         the batch's time
INSERT INTO {schema}.compactions AS t (
    stream_id, version, first_position, first_time, last_position, last_time, tenant, key,
    number, trigger, tokens_before, tokens_after, tokens_saved, messages_before, messages_after,
    logical_parent_id, message_id
)
SELECT
    stream_ids[r.s], r.version, positions[r.f], accepted_at, positions[r.l], accepted_at,
    s_tenant[r.s], s_key[r.s],
    r.number, r.trigger, r.tokens_before, r.tokens_after, r.tokens_saved, r.messages_before,
    r.messages_after, r.logical_parent_id, r.message_id
FROM json_to_recordset(rows) AS r (
    s integer, f integer, l integer, version bigint,
    number bigint, trigger text, tokens_before bigint, tokens_after bigint, tokens_saved bigint,
    messages_before bigint, messages_after bigint, logical_parent_id text, message_id text
)
WHERE positions[r.l] IS NOT NULL
ON CONFLICT (stream_id, number) DO UPDATE SET
    version = excluded.version,
    last_position = excluded.last_position,
    last_time = excluded.last_time,
    trigger = excluded.trigger,
    tokens_before = excluded.tokens_before,
    tokens_after = excluded.tokens_after,
    tokens_saved = excluded.tokens_saved,
    messages_before = excluded.messages_before,
    messages_after = excluded.messages_after,
    logical_parent_id = excluded.logical_parent_id,
    message_id = excluded.message_id;
