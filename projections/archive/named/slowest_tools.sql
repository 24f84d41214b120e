-- The tools whose calls take longest, by the time of 95 of 100 calls.
-- A call takes from the message that makes it to the message that brings its result; waiting for somebody's
-- permission counts. Calls without a result are counted, not timed.
--   $since  date = NULL  first day, of the call; NULL: from the beginning
--   $until  date = NULL  last day, itself included; NULL: to the end
--   $count  bigint = 20  at most so many tools
--   tool          text     name
--   calls         count    calls
--   unanswered    count    of them, without a result
--   p50           seconds  half took at most so long
--   p95           seconds  95 of 100 took at most so long
--   longest       seconds  the longest of all
--   total         seconds  all of them together
--   result_bytes  bytes    text of the results, UTF-8
select
    tool,
    count(*) as calls,
    count(*) filter (where result_position is null) as unanswered,
    quantile_disc(duration_s, 0.5) as p50,
    quantile_disc(duration_s, 0.95) as p95,
    max(duration_s) as longest,
    sum(duration_s) as total,
    try_cast(coalesce(sum(result_bytes), 0) as bigint) as result_bytes
from tool_calls
where day between coalesce($since, date '-infinity') and coalesce($until, date 'infinity')
group by tool
order by p95 desc nulls last, calls desc, tool
limit $count
