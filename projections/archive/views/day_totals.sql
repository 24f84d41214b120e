-- One row per tenant, UTC day and model: its messages, added up. Messages that name no model have a row of their own.
create view main.day_totals as
select
    tenant,
    day,
    model,
    sum(messages)::bigint as messages,
    sum(bytes)::bigint as bytes,
    try_cast(sum(input_tokens) as bigint) as input_tokens,
    try_cast(sum(output_tokens) as bigint) as output_tokens,
    try_cast(sum(cache_read_tokens) as bigint) as cache_read_tokens,
    try_cast(sum(cache_write_tokens) as bigint) as cache_write_tokens,
    try_cast(sum(reasoning_tokens) as bigint) as reasoning_tokens
from base.day_sums
group by tenant, day, model
