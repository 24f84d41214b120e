-- One row per API response: its tokens counted once, however many messages it was split into. A
-- message with usage and no response_id is a response of its own. cost is what the source said,
-- else an estimate from list prices, else NULL.
create view main.usage as
with responses as (
    select
        tenant,
        session,
        response_id,
        arg_max(model, position) as model,
        try_cast(sum(input_tokens) as bigint) as input_tokens,
        try_cast(sum(output_tokens) as bigint) as output_tokens,
        try_cast(sum(cache_read_tokens) as bigint) as cache_read_tokens,
        try_cast(sum(cache_write_tokens) as bigint) as cache_write_tokens,
        try_cast(sum(reasoning_tokens) as bigint) as reasoning_tokens,
        sum(cost) as cost_given,
        count(*) as messages,
        min(position) as first_position,
        min(coalesce(occurred_at, time)) as first_time
    from base.messages
    where input_tokens is not null or cost is not null
    group by tenant, session, response_id, case when response_id is null then position end
),
models as (
    select distinct model from base.day_sums where model is not null
),
priced as (
    select
        models.model,
        arg_max(input_usd, length(model_pattern)) as input_usd,
        arg_max(output_usd, length(model_pattern)) as output_usd,
        arg_max(cache_read_usd, length(model_pattern)) as cache_read_usd,
        arg_max(cache_write_usd, length(model_pattern)) as cache_write_usd
    from models join base.prices on models.model glob model_pattern
    group by models.model
),
estimated as (
    select
        responses.*,
        try_cast((
            input_tokens * input_usd
            + output_tokens * output_usd
            + cache_read_tokens * cache_read_usd
            + cache_write_tokens * cache_write_usd
        ) / 1e6 as decimal(38, 10)) as cost_estimated
    from responses left join priced on responses.model = priced.model
)
select
    tenant,
    session,
    response_id,
    model,
    input_tokens,
    output_tokens,
    cache_read_tokens,
    cache_write_tokens,
    reasoning_tokens,
    coalesce(cost_given, cost_estimated) as cost,
    case
        when cost_given is not null then 'given'
        when cost_estimated is not null then 'estimated'
    end as cost_source,
    messages,
    first_position,
    first_time,
    cast(first_time at time zone 'UTC' as date) as day
from estimated
