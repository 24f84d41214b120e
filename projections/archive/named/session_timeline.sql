-- When each session was at work: the latest sessions, in the order they began.
-- Sessions in which nothing was said yet are not there.
--   $count  bigint = 40  at most so many, the latest
--   tenant       text   owner
--   session      text   key
--   parent       text   key of the session it came from
--   title        text   the last that was given
--   agent        text   the last that was given
--   state        text   active, ended, deleted, or an agent's own word
--   messages     count  over all generations
--   compactions  count  how often it was compacted
--   cost_usd     USD    NULL if all of it is unknown
--   first_time   time   of its first message
--   last_time    time   of its last message
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
    tenant, session, parent, title, agent, state, messages, compactions, cost as cost_usd,
    first_said as first_time, last_said as last_time
from (
    select * from sessions join said using (tenant, session)
    order by last_said desc, tenant, session
    limit $count
)
order by first_time, tenant, session
