-- How long queue items and tasks wait and how long they run: percentiles.
-- A wait is from when work may be claimed (it was enqueued, given back or revived, or is due once more after
-- a failure) to the claim that follows, and never before its time to run at; a run is from a claim to its
-- completion. What is claimed once more waits and runs once more. Times are the source's own where it has
-- one; the day is that of the claim or the completion.
--   $since  date = NULL  first day; NULL: from the beginning
--   $until  date = NULL  last day, itself included; NULL: to the end
--   work     text     item or task
--   measure  text     wait or run
--   times    count    waits or runs
--   p50      seconds  half took at most so long
--   p90      seconds  nine of ten took at most so long
--   p99      seconds  99 of 100 took at most so long
--   longest  seconds  the longest of all
with steps as (
    select
        split_part(type, '_', 1) as work,
        split_part(type, '_', 2) as step,
        coalesce(occurred_at, time) as moment,
        greatest(moment, try_cast(data ->> '$.run_at' as timestamptz)) as due,
        lag(step) over one as step_before,
        lag(moment) over one as moment_before,
        lag(due) over one as due_before
    from events
    -- What else happens to work (messages join it, a worker tells of a turn) ends neither a wait nor a run.
    where kind in ('queue_item', 'task')
        and work in ('item', 'task')
        and step not in ('merged', 'progressed', 'notified')
    window one as (partition by tenant, kind, key order by position)
),
measured as (
    select
        work,
        moment,
        case
            when step = 'claimed' and step_before in ('enqueued', 'released', 'revived') then 'wait'
            when step = 'claimed' and step_before = 'failed' and work = 'task' then 'wait'
            when step = 'completed' and step_before = 'claimed' then 'run'
        end as measure,
        epoch(moment) - epoch(if(step = 'claimed', due_before, moment_before)) as seconds
    from steps
)
select
    work,
    measure,
    count(*) as times,
    quantile_disc(seconds, 0.5) as p50,
    quantile_disc(seconds, 0.9) as p90,
    quantile_disc(seconds, 0.99) as p99,
    max(seconds) as longest
from measured
where measure is not null
    and cast(moment at time zone 'UTC' as date)
    between coalesce($since, date '-infinity') and coalesce($until, date 'infinity')
group by work, measure
order by work, measure desc
