-- One row per task, in the state that its events add up to (work.sql).
create view main.tasks as
select
    tenant,
    key as task,
    base.stream_key(enqueued ->> '$.session') as session,
    coalesce(enqueued ->> '$.queue', 'default') as queue,
    base.stream_key(enqueued ->> '$.lane') as lane,
    case
        when ending = 'died' then 'dead'
        when ending is not null then ending
        when is_held then 'running'
        else 'pending'
    end as status,
    coalesce(try_cast(enqueued ->> '$.priority' as bigint), 0) as priority,
    base.moment(planned ->> '$.run_at') as run_at,
    case when revived_at is null then base.moment(enqueued ->> '$.expires_at') end as expires_at,
    case when is_held then claimed ->> '$.worker' end as worker,
    attempts,
    retries,
    coalesce(try_cast(enqueued ->> '$.retries_max' as bigint), 3) as retries_max,
    releases,
    turn,
    merged,
    notified,
    case
        when ending in ('completed', 'expired') then null
        when ending is not null then ended ->> '$.reason'
        else freed ->> '$.reason'
    end as reason,
    enqueued_at,
    revived_at,
    first_claimed_at,
    last_claimed_at,
    finished_at,
    epoch(first_claimed_at)
    - epoch(greatest(coalesce(revived_at, enqueued_at), base.moment(begun ->> '$.run_at'))) as wait_s,
    case when is_held then epoch(finished_at) - epoch(last_claimed_at) end as run_s,
    last_position
from base.work
where kind = 'task'
