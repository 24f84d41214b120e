-- One row per session that has a message: all its messages, added up.
create view main.session_totals as
select
    tenant,
    session,
    arg_max(model, model_position) as model,
    sum(messages)::bigint as messages,
    sum(bytes)::bigint as bytes,
    min(first_position) as first_position,
    max(last_position) as last_position,
    min(first_time) as first_time,
    max(last_time) as last_time,
    try_cast(sum(input_tokens) as bigint) as input_tokens,
    try_cast(sum(output_tokens) as bigint) as output_tokens,
    try_cast(sum(cache_read_tokens) as bigint) as cache_read_tokens,
    try_cast(sum(cache_write_tokens) as bigint) as cache_write_tokens,
    try_cast(sum(reasoning_tokens) as bigint) as reasoning_tokens
from base.session_sums
group by tenant, session
