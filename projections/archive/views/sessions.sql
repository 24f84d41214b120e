-- One row per session; appending to a session that nobody created creates it. Attributes are the
-- last that were given, or none if they were cleared after that. An end does not undo a deletion; only
-- what gives a state does.
create view main.sessions as
with changes as (
    select
        tenant,
        session,
        arg_max_null(title, position)
            filter (where title is not null or list_contains(cleared, 'title')) as title,
        arg_max_null(agent, position)
            filter (where agent is not null or list_contains(cleared, 'agent')) as agent,
        arg_max_null(model, position)
            filter (where model is not null or list_contains(cleared, 'model')) as model,
        arg_max_null(mode, position)
            filter (where mode is not null or list_contains(cleared, 'mode')) as mode,
        arg_max(state, position) filter (where type <> 'session_ended') as state,
        max(position) filter (where type <> 'session_ended' and state is not null)
            as state_position,
        max(position) filter (where type = 'session_ended' and state is not null) as ended_position,
        arg_max_null(parent, position)
            filter (where parent is not null or list_contains(cleared, 'parent')) as parent,
        arg_max_null(source, position)
            filter (where source is not null or list_contains(cleared, 'source')) as source,
        arg_max_null(directory, position)
            filter (where directory is not null or list_contains(cleared, 'directory')) as directory,
        arg_max_null(git_branch, position)
            filter (where git_branch is not null or list_contains(cleared, 'git_branch')) as git_branch,
        max(generation) as generation,
        count(generation) as generations_started,
        count(*) filter (where type = 'conversation_compacted') as compactions,
        min(coalesce(occurred_at, time)) as first_time,
        max(coalesce(occurred_at, time)) as last_time
    from base.session_changes
    group by tenant, session
),
spent as (
    select tenant, session, sum(cost) as cost from main.usage group by tenant, session
)
select
    tenant,
    session,
    changes.title,
    changes.agent,
    coalesce(changes.model, said.model) as model,
    changes.mode,
    case
        when changes.state = 'deleted' then 'deleted'
        when changes.ended_position > coalesce(changes.state_position, 0) then 'ended'
        else coalesce(changes.state, 'active')
    end as state,
    changes.parent,
    changes.source,
    changes.directory,
    changes.git_branch,
    coalesce(changes.generation, 0) as generation,
    coalesce(changes.generations_started, 0) + 1 as generations,
    coalesce(changes.compactions, 0) as compactions,
    coalesce(said.messages, 0) as messages,
    coalesce(said.input_tokens, 0) as input_tokens,
    coalesce(said.output_tokens, 0) as output_tokens,
    coalesce(said.cache_read_tokens, 0) as cache_read_tokens,
    coalesce(said.cache_write_tokens, 0) as cache_write_tokens,
    coalesce(said.reasoning_tokens, 0) as reasoning_tokens,
    spent.cost,
    least(changes.first_time, said.first_time) as first_time,
    greatest(changes.last_time, said.last_time) as last_time
from changes
full join main.session_totals as said using (tenant, session)
left join spent using (tenant, session)
