-- Where the next message of each given session goes, read back from the archive's files.
--   $tenants   varchar[]  tenants, one per session
--   $sessions  varchar[]  session keys
with wanted as (
    select unnest($tenants::varchar[]) as tenant, unnest($sessions::varchar[]) as session
),
last_message as (
    select tenant, session, arg_max(generation, position) as generation,
        arg_max(seq, position) as seq
    from archived.messages semi join wanted using (tenant, session)
    group by tenant, session
),
last_generation as (
    select tenant, session, max(generation) as generation
    from archived.session_changes semi join wanted using (tenant, session)
    where generation is not null
    group by tenant, session
)
select
    tenant,
    session,
    greatest(coalesce(last_message.generation, 0), coalesce(last_generation.generation, 0)) as generation,
    case
        when last_message.generation >= coalesce(last_generation.generation, 0) then last_message.seq + 1
        else 0
    end as next_seq
from last_message full join last_generation using (tenant, session)
