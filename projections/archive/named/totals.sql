-- All there is, in one row: how much was said, by how many, for how much.
-- Sessions count if something was said in them, messages on the day they were said, API responses once, on
-- the day they began.
--   $since  date = NULL  first day; NULL: from the beginning
--   $until  date = NULL  last day, itself included; NULL: to the end
--   tenants             count   with a session
--   sessions            count   sessions
--   sub_agents          count   sessions among them that came from another
--   messages            count   messages over all generations
--   tool_messages       count   messages that call a tool
--   responses           count   API responses
--   input_tokens        tokens  without what was read from or written to a cache
--   output_tokens       tokens  reasoning included
--   cache_read_tokens   tokens  read from a cache
--   cache_write_tokens  tokens  written to a cache
--   cost_usd            USD     what sources said, else an estimate from list prices; NULL if all is unknown
--   unpriced_responses  count   responses of unknown cost, which cost_usd lacks
--   first_time          time    of the first message
--   last_time           time    of the last message
with period as (
    select coalesce($since, date '-infinity') as first_day, coalesce($until, date 'infinity') as last_day
),
said as (
    select
        tenant,
        session,
        count(*) as messages,
        count(tool) as tool_messages,
        min(coalesce(occurred_at, time)) as first_time,
        max(coalesce(occurred_at, time)) as last_time
    from messages, period
    where day between first_day and last_day
    group by tenant, session
),
summed as (
    select
        count(distinct tenant) as tenants,
        count(*) as sessions,
        count(parent) as sub_agents,
        try_cast(coalesce(sum(said.messages), 0) as bigint) as messages,
        try_cast(coalesce(sum(tool_messages), 0) as bigint) as tool_messages,
        min(said.first_time) as first_time,
        max(said.last_time) as last_time
    from said join sessions using (tenant, session)
),
used as (
    select
        count(*) as responses,
        try_cast(coalesce(sum(input_tokens), 0) as bigint) as input_tokens,
        try_cast(coalesce(sum(output_tokens), 0) as bigint) as output_tokens,
        try_cast(coalesce(sum(cache_read_tokens), 0) as bigint) as cache_read_tokens,
        try_cast(coalesce(sum(cache_write_tokens), 0) as bigint) as cache_write_tokens,
        sum(cost) as cost_usd,
        count(*) filter (where cost is null) as unpriced_responses
    from usage, period
    where day between first_day and last_day
)
select
    tenants, sessions, sub_agents, messages, tool_messages, responses, input_tokens, output_tokens,
    cache_read_tokens, cache_write_tokens, cost_usd, unpriced_responses, first_time, last_time
from summed, used
