-- One session with its sub-agents and theirs: what each of them cost, and when it was at work.
-- A session comes before those that came from it, siblings in the order they began. A circle of parents
-- ends where it would begin again.
--   $session  varchar  key of the session at the root
--   tenant         text    owner
--   session        text    key
--   parent         text    key of the session it came from
--   depth          count   levels below the root
--   title          text    the last that was given
--   agent          text    the last that was given
--   model          text    of the session, else of its last message that names one
--   messages       count   over all generations
--   output_tokens  tokens  each API response once
--   cost_usd       USD     of this session alone; NULL if all of it is unknown
--   first_time     time    of its first message, else of its first change
--   last_time      time    of its last message, else of its last change
with recursive said as (
    select
        tenant,
        session,
        min(coalesce(occurred_at, time)) as first_said,
        max(coalesce(occurred_at, time)) as last_said
    from messages
    group by tenant, session
),
listed as (
    select
        sessions.* exclude (first_time, last_time),
        coalesce(first_said, first_time) as first_time,
        coalesce(last_said, last_time) as last_time
    from sessions left join said using (tenant, session)
),
tree as (
    select tenant, session, 0 as depth, [session] as path, [epoch_us(first_time)] as place
    from listed where session = $session
    union all
    select
        child.tenant, child.session, tree.depth + 1, list_append(tree.path, child.session),
        list_append(tree.place, epoch_us(child.first_time))
    from tree join listed as child on child.tenant = tree.tenant and child.parent = tree.session
    where not list_contains(tree.path, child.session)
)
select
    tenant, session, parent, depth, title, agent, model, messages, output_tokens, cost as cost_usd,
    first_time, last_time
from tree join listed using (tenant, session)
order by tenant, place, path
