-- One row per tool call, with the first result that names it. A message holds the inputs of its calls one
-- after the other in one text, with a line break between; `characters` tells them apart.
create view main.tool_calls as
with calls as (
    select
        position, tenant, session, generation, seq, model, day,
        coalesce(occurred_at, time) as called_at,
        unnest(calls) as call,
        generate_subscripts(calls, 1) as place,
        calls as every_call,
        tool_input
    from base.messages
    where calls is not null
),
results as (
    select
        position, tenant, session,
        coalesce(occurred_at, time) as finished_at,
        unnest(results) as result,
        generate_subscripts(results, 1) as place,
        results as every_result,
        tool_result
    from base.messages
    where results is not null
),
first_results as (
    select
        position, tenant, session, finished_at, result.call_id as call_id, result.error as error,
        case when len(every_result) = 1 then tool_result else substring(
            tool_result,
            1 + coalesce(list_sum([r.characters + 1 for r in every_result[:place - 1]]), 0)::bigint,
            result.characters
        ) end as output
    from results
    where result.call_id is not null
    qualify row_number() over (partition by tenant, session, result.call_id order by position, place) = 1
),
read as (
    select
        *,
        case when len(every_call) = 1 then tool_input else substring(
            tool_input,
            1 + coalesce(list_sum([c.characters + 1 for c in every_call[:place - 1]]), 0)::bigint,
            call.characters
        ) end as input
    from calls
)
select
    read.tenant,
    read.session,
    read.position,
    read.generation,
    read.seq,
    read.place - 1 as place,
    read.call.call_id as call_id,
    read.call.tool as tool,
    read.input,
    strlen(read.input) as input_bytes,
    read.model,
    read.called_at,
    first_results.position as result_position,
    first_results.output as result,
    strlen(first_results.output) as result_bytes,
    first_results.error,
    first_results.finished_at,
    epoch(first_results.finished_at) - epoch(read.called_at) as duration_s,
    read.day
from read left join first_results
    on read.tenant = first_results.tenant
    and read.session = first_results.session
    and read.call.call_id = first_results.call_id
