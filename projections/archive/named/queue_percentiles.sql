-- How long queue items wait and how long they run: percentiles.
-- A wait is from an enqueueing to the claim that follows it, a run from a claim to its completion. An item
-- that is claimed anew, or enqueued once more, waits and runs again. Times are the source's own where it
-- has one; the day is that of the claim or the completion.
--   $since  date = NULL  first day; NULL: from the beginning
--   $until  date = NULL  last day, itself included; NULL: to the end
--   measure  text     wait or run
--   times    count    waits or runs
--   p50      seconds  half took at most so long
--   p90      seconds  nine of ten took at most so long
--   p99      seconds  99 of 100 took at most so long
--   longest  seconds  the longest of all
with steps as (
    select
        type,
        coalesce(occurred_at, time) as moment,
        lag(type) over item as type_before,
        lag(coalesce(occurred_at, time)) over item as moment_before
    from events
    where kind = 'queue_item'
    window item as (partition by tenant, key order by position)
),
measured as (
    select
        case
            when type_before = 'item_enqueued' and type = 'item_claimed' then 'wait'
            when type_before = 'item_claimed' and type = 'item_completed' then 'run'
        end as measure,
        epoch(moment - moment_before) as seconds
    from steps
    where cast(moment at time zone 'UTC' as date)
        between coalesce($since, date '-infinity') and coalesce($until, date 'infinity')
)
select
    measure,
    count(*) as times,
    quantile_disc(seconds, 0.5) as p50,
    quantile_disc(seconds, 0.9) as p90,
    quantile_disc(seconds, 0.99) as p99,
    max(seconds) as longest
from measured
where measure is not null
group by measure
order by measure desc
