-- Tokens and cost of each tenant, the costliest first.
-- Each API response counts once, however many messages it was split into, on the UTC day it began.
--   $since  date = NULL  first day; NULL: from the beginning
--   $until  date = NULL  last day, itself included; NULL: to the end
--   tenant              text    owner; empty for data that has none
--   sessions            count   sessions with at least one response
--   responses           count   API responses
--   input_tokens        tokens  without what was read from or written to a cache
--   output_tokens       tokens  reasoning included
--   cache_read_tokens   tokens  read from a cache
--   cache_write_tokens  tokens  written to a cache
--   reasoning_tokens    tokens  of reasoning; already part of output_tokens
--   cost_usd            USD     what sources said, else an estimate from list prices; NULL if all is unknown
--   unpriced_responses  count   responses of unknown cost, which cost_usd lacks
select
    tenant,
    count(distinct (tenant, session)) as sessions,
    count(*) as responses,
    try_cast(coalesce(sum(input_tokens), 0) as bigint) as input_tokens,
    try_cast(coalesce(sum(output_tokens), 0) as bigint) as output_tokens,
    try_cast(coalesce(sum(cache_read_tokens), 0) as bigint) as cache_read_tokens,
    try_cast(coalesce(sum(cache_write_tokens), 0) as bigint) as cache_write_tokens,
    try_cast(coalesce(sum(reasoning_tokens), 0) as bigint) as reasoning_tokens,
    sum(cost) as cost_usd,
    count(*) filter (where cost is null) as unpriced_responses
from usage
where day between coalesce($since, date '-infinity') and coalesce($until, date 'infinity')
group by tenant
order by cost_usd desc nulls last, output_tokens desc, tenant
