-- What each session cost together with its sub-agents and theirs, the costliest first.
-- A tree begins with a session that came from none, or whose parent is not in the archive. Sessions that
-- are one another's parents in a circle are no tree; each of them is counted by itself.
--   $count  bigint = 20  at most so many trees
--   tenant          text    owner
--   session         text    key of the session at the root
--   title           text    of the root
--   agent           text    of the root
--   sessions        count   in the tree, the root included
--   depth           count   levels below the root
--   messages        count   of the whole tree
--   output_tokens   tokens  of the whole tree, each API response once
--   own_cost_usd    USD     of the root alone; NULL if all of it is unknown
--   cost_usd        USD     of the whole tree; NULL if all of it is unknown
--   first_time      time    of its first message
--   last_time       time    of its last message
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
    select tenant, session, title, agent, parent, messages, output_tokens, cost, first_said, last_said
    from sessions left join said using (tenant, session)
),
family as (
    select child.*, parent.session is null as is_root
    from listed as child
    left join listed as parent on parent.tenant = child.tenant and parent.session = child.parent
),
tree as (
    select tenant, session as root, session, 0 as depth from family where is_root
    union all
    select family.tenant, tree.root, family.session, tree.depth + 1
    from tree join family on family.tenant = tree.tenant and family.parent = tree.session
),
placed as (
    select * from tree
    union all
    select tenant, session, session, 0 from family
    where (tenant, session) not in (select (tenant, session) from tree)
)
select
    tenant,
    root as session,
    any_value(title) filter (where session = root) as title,
    any_value(agent) filter (where session = root) as agent,
    count(*) as sessions,
    max(depth) as depth,
    try_cast(sum(messages) as bigint) as messages,
    try_cast(sum(output_tokens) as bigint) as output_tokens,
    any_value(cost) filter (where session = root) as own_cost_usd,
    sum(cost) as cost_usd,
    min(first_said) as first_time,
    max(last_said) as last_time
from placed join listed using (tenant, session)
group by tenant, root
order by cost_usd desc nulls last, messages desc, tenant, root
limit $count
