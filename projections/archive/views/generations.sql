-- One row per generation that was started or has a message. Generation 0 begins with its first message.
create view main.generations as
with started as (
    select tenant, session, generation, position, coalesce(occurred_at, time) as started_at
    from base.session_changes
    where generation is not null
),
said as (
    select
        tenant,
        session,
        generation,
        sum(messages)::bigint as messages,
        sum(bytes)::bigint as bytes,
        min(first_position) as first_position,
        max(last_position) as last_position,
        min(first_time) as first_time,
        max(last_time) as last_time
    from base.session_sums
    group by tenant, session, generation
)
select
    tenant,
    session,
    generation,
    started.position as started_position,
    coalesce(started.started_at, said.first_time) as started_at,
    coalesce(said.messages, 0) as messages,
    coalesce(said.bytes, 0) as bytes,
    said.first_position,
    said.last_position,
    said.first_time,
    said.last_time
from said full join started using (tenant, session, generation)
