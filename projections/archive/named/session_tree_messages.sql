-- What was said in a session, its sub-agents and theirs, message by message, in the order it was said.
-- A message that does several things is what stands first in: error, result, call, prompt, answer, other.
--   $session  varchar  key of the session at the root
--   $count    bigint = 5000  at most so many messages, the first
--   tenant         text    owner
--   session        text    key
--   position       count   place in the whole log
--   time           time    the source's own time where it has one
--   role           text    user, assistant, system, tool, or the source's own word
--   kind           text    error or result of a tool, call of a tool, prompt of a user, answer, other
--   tool           text    names of the tools it calls
--   output_tokens  tokens  it adds to its API response; NULL without usage
with recursive listed as (
    select tenant, session, parent from sessions
),
tree as (
    select tenant, session, [session] as path from listed where session = $session
    union all
    select child.tenant, child.session, list_append(tree.path, child.session)
    from tree join listed as child on child.tenant = tree.tenant and child.parent = tree.session
    where not list_contains(tree.path, child.session)
)
select
    tenant,
    session,
    position,
    coalesce(occurred_at, messages.time) as time,
    role,
    case
        when tool_error then 'error'
        when tool_result is not null then 'result'
        when tool is not null then 'call'
        when role = 'user' then 'prompt'
        when role = 'assistant' then 'answer'
        else 'other'
    end as kind,
    tool,
    output_tokens
from messages join tree using (tenant, session)
order by coalesce(occurred_at, messages.time), position
limit $count
