-- The sessions with the most messages.
-- Sub-agents are sessions of their own here; session_tree_cost adds them up.
--   $count  bigint = 20  at most so many
--   tenant         text     owner
--   session        text     key
--   title          text     the last that was given
--   agent          text     the last that was given
--   messages       count    over all generations
--   generations    count    from 1
--   compactions    count    how often it was compacted
--   duration       seconds  from its first message to its last, pauses included
--   output_tokens  tokens   each API response once
--   cost_usd       USD      NULL if all of it is unknown
--   first_time     time     of its first message
--   last_time      time     of its last message
with said as (
    select
        tenant,
        session,
        min(coalesce(occurred_at, time)) as first_said,
        max(coalesce(occurred_at, time)) as last_said
    from messages
    group by tenant, session
)
select
    tenant, session, title, agent, messages, generations, compactions,
    epoch(last_said - first_said) as duration,
    output_tokens, cost as cost_usd, first_said as first_time, last_said as last_time
from sessions join said using (tenant, session)
order by messages desc, tenant, session
limit $count
