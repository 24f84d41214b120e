-- One row per item of a session's queue, in the state that its events add up to (projections/queue.py).
-- What counts is what came after it was last enqueued; a completion beats a cancellation.
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
            max(case when type = 'item_enqueued' then position end) over (partition by tenant, key), 0
        ) as enqueued_position
    from base.events
    where kind = 'queue_item'
        and type in ('item_enqueued', 'item_claimed', 'item_completed', 'item_cancelled')
),
placed as (
    select
        *,
        min(case when type in ('item_completed', 'item_cancelled') and position > enqueued_position
            then position end) over (partition by tenant, item) as finished_position
    from happened
),
items as (
    select
        tenant,
        item,
        arg_max(data, position) filter (where type = 'item_enqueued') as enqueued,
        bool_or(type = 'item_completed' and position > enqueued_position) as completed,
        bool_or(type = 'item_cancelled' and position > enqueued_position) as cancelled,
        count(*) filter (where type = 'item_claimed') as attempts,
        arg_max(data ->> '$.worker', position) filter (
            where type = 'item_claimed' and position > enqueued_position
                and position < coalesce(finished_position, 9223372036854775807)
        ) as worker,
        arg_min(data ->> '$.reason', position) filter (
            where type = 'item_cancelled' and position > enqueued_position
                and (data ->> '$.reason') is not null
                and position = finished_position
        ) as reason,
        max(happened_at) filter (where position = enqueued_position) as enqueued_at,
        arg_min(happened_at, position) filter (where type = 'item_claimed' and position > enqueued_position)
            as first_claimed_at,
        arg_max(happened_at, position) filter (
            where type = 'item_claimed' and position > enqueued_position
                and position < coalesce(finished_position, 9223372036854775807)
        ) as last_claimed_at,
        coalesce(
            arg_min(happened_at, position) filter (where type = 'item_completed' and position > enqueued_position),
            max(happened_at) filter (where position = finished_position)
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
        when cancelled then 'cancelled'
        when last_claimed_at is not null then 'claimed'
        else 'pending'
    end as status,
    coalesce(try_cast(enqueued ->> '$.priority' as bigint), 0) as priority,
    worker,
    attempts,
    case when not completed then reason end as reason,
    enqueued_at,
    first_claimed_at,
    last_claimed_at,
    finished_at,
    epoch(first_claimed_at) - epoch(enqueued_at) as wait_s,
    epoch(finished_at) - epoch(last_claimed_at) as run_s,
    last_position
from items
