-- One row per item of a session's queue, in the state that its events add up to (work.sql).
create view main.queue_items as
select
    tenant,
    key as item,
    base.stream_key(enqueued ->> '$.session') as session,
    case
        when ending = 'interrupted' and (ended ->> '$.rollback') = 'true' then 'rolled_back'
        when ending is not null then ending
        when is_held then 'claimed'
        else 'pending'
    end as status,
    coalesce(try_cast(enqueued ->> '$.priority' as bigint), 0) as priority,
    case when is_held then claimed ->> '$.worker' end as worker,
    attempts,
    case
        when ending = 'completed' then null
        when ending is not null then coalesce(ended ->> '$.reason', ended ->> '$.by')
        when not is_held then freed ->> '$.reason'
    end as reason,
    enqueued_at,
    first_claimed_at,
    last_claimed_at,
    finished_at,
    epoch(first_claimed_at) - epoch(enqueued_at) as wait_s,
    case when is_held then epoch(finished_at) - epoch(last_claimed_at) end as run_s,
    last_position
from base.work
where kind = 'queue_item'
