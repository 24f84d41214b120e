-- Messages of one session and generation, added up; as a part of a FROM. What is added up again gives the same:
-- ranges and tail need not be read together. Counts have 32 bits (eventlog/events/fields.py), so that no sum
-- leaves BIGINT.
--   {rows}  what reads the messages, with its conditions
(
    select
        tenant,
        session,
        generation,
        count(*) as messages,
        sum(bytes)::bigint as bytes,
        min(position) as first_position,
        max(position) as last_position,
        min(coalesce(occurred_at, time)) as first_time,
        max(coalesce(occurred_at, time)) as last_time,
        arg_max(model, position) as model,
        max(position) filter (where model is not null) as model_position,
        sum(input_tokens)::bigint as input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cache_write_tokens)::bigint as cache_write_tokens,
        sum(reasoning_tokens)::bigint as reasoning_tokens
    from {rows}
    group by tenant, session, generation
)
