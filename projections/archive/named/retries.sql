-- How often queue items had to be claimed until somebody was done with them.
-- One row per number of claims: the items that were claimed so often, and what became of them.
--   $since  date = NULL  first day, of an item's first event; NULL: from the beginning
--   $until  date = NULL  last day, itself included; NULL: to the end
--   claims     count     how often they were claimed; 0: never
--   items      count     items claimed so often
--   completed  count     of them, done
--   cancelled  count     of them, given up
--   open       count     of them, waiting or being worked on
--   share      fraction  of all items, 0 to 1
with counted as (
    select
        count(*) filter (where type = 'item_claimed') as claims,
        arg_max(type, position) as last_type,
        cast(min(coalesce(occurred_at, time)) at time zone 'UTC' as date) as day
    from events
    where kind = 'queue_item'
    group by tenant, key
)
select
    claims,
    count(*) as items,
    count(*) filter (where last_type = 'item_completed') as completed,
    count(*) filter (where last_type = 'item_cancelled') as cancelled,
    count(*) filter (where last_type not in ('item_completed', 'item_cancelled')) as open,
    count(*) / sum(count(*)) over () as share
from counted
where day between coalesce($since, date '-infinity') and coalesce($until, date 'infinity')
group by claims
order by claims
