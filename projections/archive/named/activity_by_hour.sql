-- When work is done: messages of each hour of the week.
-- Hours are in UTC, by the source's own time where it has one. Hours without a message have no row.
--   $since  date = NULL  first day; NULL: from the beginning
--   $until  date = NULL  last day, itself included; NULL: to the end
--   weekday        count  1 is Monday, 7 is Sunday
--   hour           count  0 to 23
--   messages       count  messages said
--   tool_messages  count  messages among them that call a tool
--   sessions       count  sessions they were said in
with placed as (
    select *, coalesce(occurred_at, time) at time zone 'UTC' as moment from messages
    where day between coalesce($since, date '-infinity') and coalesce($until, date 'infinity')
)
select
    isodow(moment) as weekday,
    hour(moment) as hour,
    count(*) as messages,
    count(tool) as tool_messages,
    count(distinct (tenant, session)) as sessions
from placed
group by all
order by weekday, hour
