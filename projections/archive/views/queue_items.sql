-- One row per item of a session's queue, in the state that its events add up to (projections/queue.py).
-- Each time an item is enqueued it begins anew; until it is finished, the latest claim that was not released
-- has it. A completion beats every other end. Said once more in SQL, so that the archive stores events
-- alone and nothing that a new version of the fold would make stale; tests/projections/archive/test_work.py
-- compares both on random histories.
create view main.queue_items as
with happened as (
    select
        tenant,
        key as item,
        position,
        type,
        data,
        coalesce(occurred_at, time) as happened_at,
        coalesce(
            max(case when type = 'item_enqueued' then position end) over (
                partition by tenant, key order by position rows unbounded preceding
            ), 0
        ) as begun_position,
        coalesce(
            max(case when type = 'item_enqueued' then position end) over (partition by tenant, key), 0
        ) as enqueued_position
    from base.events
    where kind = 'queue_item'
        and type in (
            'item_enqueued', 'item_claimed', 'item_released',
            'item_completed', 'item_failed', 'item_interrupted', 'item_cancelled'
        )
),
ended as (
    select
        *,
        begun_position = enqueued_position as is_latest,
        min(case when type in ('item_completed', 'item_failed', 'item_interrupted', 'item_cancelled')
            then position end) over (partition by tenant, item, begun_position) as finished_position
    from happened
),
claimed as (
    select
        *,
        position < coalesce(finished_position, 9223372036854775807) as is_unfinished,
        max(case when type = 'item_claimed' and is_latest
            and position < coalesce(finished_position, 9223372036854775807) then position end)
            over (partition by tenant, item) as claimed_position
    from ended
),
placed as (
    select
        *,
        min(case when type = 'item_released' and is_latest and is_unfinished and position > claimed_position
            then position end) over (partition by tenant, item) as released_position
    from claimed
),
items as (
    select
        tenant,
        item,
        arg_max(data, position) filter (where type = 'item_enqueued') as enqueued,
        bool_or(type = 'item_completed' and is_latest) as completed,
        max(type) filter (where is_latest and position = finished_position) as ending,
        max(coalesce(data ->> '$.reason', data ->> '$.by')) filter (
            where is_latest and position = finished_position
        ) as ending_reason,
        bool_or(is_latest and position = finished_position and (data ->> '$.rollback') = 'true') as rolled_back,
        count(*) filter (where type = 'item_claimed' and is_unfinished) as attempts,
        max(released_position) as released_position,
        max(data ->> '$.worker') filter (where position = claimed_position and released_position is null)
            as worker,
        max(data ->> '$.reason') filter (where position = released_position) as released_reason,
        max(happened_at) filter (where position = enqueued_position) as enqueued_at,
        arg_min(happened_at, position) filter (where type = 'item_claimed' and is_latest and is_unfinished)
            as first_claimed_at,
        max(happened_at) filter (where position = claimed_position) as last_claimed_at,
        coalesce(
            arg_min(happened_at, position) filter (where type = 'item_completed' and is_latest),
            max(happened_at) filter (where is_latest and position = finished_position)
        ) as finished_at,
        max(position) as last_position
    from placed
    group by tenant, item
)
select
    tenant,
    item,
    nullif(enqueued ->> '$.session', '') as session,
    case
        when completed then 'completed'
        when ending = 'item_failed' then 'failed'
        when ending = 'item_cancelled' then 'cancelled'
        when ending = 'item_interrupted' and rolled_back then 'rolled_back'
        when ending = 'item_interrupted' then 'interrupted'
        when last_claimed_at is not null and released_position is null then 'claimed'
        else 'pending'
    end as status,
    coalesce(try_cast(enqueued ->> '$.priority' as bigint), 0) as priority,
    worker,
    attempts,
    case
        when completed then null
        when ending is not null then ending_reason
        else released_reason
    end as reason,
    enqueued_at,
    first_claimed_at,
    last_claimed_at,
    finished_at,
    epoch(first_claimed_at) - epoch(enqueued_at) as wait_s,
    epoch(finished_at) - epoch(last_claimed_at) as run_s,
    last_position
from items
