-- Messages of one tenant, UTC day and model, added up; as a part of a FROM (see session_sums.sql).
--   {rows}  what reads the messages, with its conditions
(
    select
        tenant,
        day,
        model,
        count(*) as messages,
        sum(bytes)::bigint as bytes,
        sum(input_tokens)::bigint as input_tokens,
        sum(output_tokens)::bigint as output_tokens,
        sum(cache_read_tokens)::bigint as cache_read_tokens,
        sum(cache_write_tokens)::bigint as cache_write_tokens,
        sum(reasoning_tokens)::bigint as reasoning_tokens
    from {rows}
    group by tenant, day, model
)
