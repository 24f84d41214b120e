-- How often queue items and tasks had to be claimed until somebody was done with them.
-- One row per number of claims: the items or tasks that were claimed so often, over all times they were
-- enqueued, and what became of them.
--   $since  date = NULL  first day, of the last time it was enqueued; NULL: from the beginning
--   $until  date = NULL  last day, itself included; NULL: to the end
--   work       text      item or task
--   claims     count     how often they were claimed; 0: never
--   items      count     items or tasks claimed so often
--   completed  count     of them, done
--   failed     count     of them, failed for good: items that failed, tasks that are dead
--   cancelled  count     of them, given up: cancelled, expired, interrupted or rolled back
--   open       count     of them, waiting or being worked on
--   share      fraction  of all items, or of all tasks, 0 to 1
with counted as (
    select 'item' as work, attempts, status, enqueued_at from queue_items
    union all
    select 'task' as work, attempts, status, enqueued_at from tasks
)
select
    work,
    attempts as claims,
    count(*) as items,
    count(*) filter (where status = 'completed') as completed,
    count(*) filter (where status in ('failed', 'dead')) as failed,
    count(*) filter (where status in ('cancelled', 'expired', 'interrupted', 'rolled_back')) as cancelled,
    count(*) filter (where status in ('pending', 'claimed', 'running')) as open,
    count(*) / sum(count(*)) over (partition by work) as share
from counted
where cast(enqueued_at at time zone 'UTC' as date)
    between coalesce($since, date '-infinity') and coalesce($until, date 'infinity')
group by work, claims
order by work, claims
