-- One row per queue item and per task, in the state that its events add up to (projections/queue.py,
-- projections/task.py): what the views of both are made of. It lives from each time it is enqueued or revived to
-- the first event that finishes it; what comes after that does not count, except a completion, which beats
-- every other end. Said once more in SQL, so that the archive stores events alone and nothing that a new version
-- of a fold would make stale; tests/projections/archive/test_work.py compares both on random histories.
create view base.work as
with happened as (
    select
        tenant,
        kind,
        key,
        position,
        -- Without what is long and not looked at: sorting it took ten times as long (20,000 tasks of 10 KB).
        json_merge_patch(
            data, '{"messages": null, "body": null, "result": null, "reply": null, "source": null}'
        ) as data,
        coalesce(occurred_at, time) as happened_at,
        type[6:] as step,
        step in ('enqueued', 'revived') as begins,
        step in ('completed', 'cancelled', 'interrupted', 'expired', 'died')
            or type = 'item_failed' as finishes,
        step = 'released' or type = 'task_failed' as gives_back
    from base.events
    where kind = 'queue_item' and starts_with(type, 'item_') or kind = 'task' and starts_with(type, 'task_')
),
begun as (
    select
        *,
        max(position) filter (where begins) over (partition by tenant, kind, key order by position) as life,
        max(position) filter (where begins) over (partition by tenant, kind, key) as latest_life,
        coalesce(
            max(position) filter (where step = 'enqueued') over (partition by tenant, kind, key), 0
        ) as enqueued_position
    from happened
),
finished as (
    select
        *,
        life is not distinct from latest_life as is_latest,
        position <= coalesce(
            min(position) filter (where finishes) over (partition by tenant, kind, key, life), position
        ) as counts,
        last_value(case when step = 'claimed' or gives_back then step end ignore nulls) over (
            partition by tenant, kind, key, life order by position
            rows between unbounded preceding and 1 preceding
        ) as step_before
    from begun
),
placed as (
    select
        *,
        step = 'claimed' and counts as takes,
        -- What nobody has can fail, but not be released.
        gives_back and counts and (step = 'failed' or coalesce(step_before = 'claimed', false)) as frees,
        finishes and counts and is_latest as ends
    from finished
)
select
    tenant,
    kind,
    key,
    arg_max(data, position) filter (where step = 'enqueued') as enqueued,
    arg_max(data, position) filter (where begins) as begun,
    -- The one whose time to run at holds.
    arg_max(data, position) filter (where is_latest and counts and (begins or step = 'failed')) as planned,
    arg_max(data, position) filter (where is_latest and takes) as claimed,
    arg_max(data, position) filter (where is_latest and frees) as freed,
    max(data) filter (where ends) as ended,
    case
        when bool_or(is_latest and step = 'completed') then 'completed'
        else max(step) filter (where ends)
    end as ending,
    -- Whether somebody has it, or had it when it was finished.
    coalesce(
        arg_max(step, position) filter (where is_latest and (takes or frees)) = 'claimed', false
    ) as is_held,
    count(*) filter (where takes) as attempts,
    count(*) filter (where is_latest and frees and step = 'failed') as retries,
    count(*) filter (where is_latest and frees and step = 'released') as releases,
    -- The next two outlive a revival.
    coalesce(
        arg_max(try_cast(data ->> '$.turn' as bigint), position) filter (
            where step = 'progressed' and counts and position > enqueued_position
        ), 0
    ) as turn,
    count(*) filter (where step = 'merged' and counts and position > enqueued_position) as merged,
    bool_or(is_latest and step = 'notified') as notified,
    arg_max(happened_at, position) filter (where step = 'enqueued') as enqueued_at,
    arg_max(happened_at, position) filter (where is_latest and step = 'revived') as revived_at,
    arg_min(happened_at, position) filter (where is_latest and takes) as first_claimed_at,
    arg_max(happened_at, position) filter (where is_latest and takes) as last_claimed_at,
    coalesce(
        arg_min(happened_at, position) filter (where is_latest and step = 'completed'),
        max(happened_at) filter (where ends)
    ) as finished_at,
    max(position) as last_position
from placed
group by tenant, kind, key
