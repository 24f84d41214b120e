-- The tools that fail most often, by the share of their results that are errors.
-- What an error is, the source says. Calls without a result have not failed; they are counted apart.
--   $since  date = NULL  first day, of the call; NULL: from the beginning
--   $until  date = NULL  last day, itself included; NULL: to the end
--   $count  bigint = 20  at most so many tools
--   tool        text      name
--   calls       count     calls
--   results     count     of them, with a result
--   errors      count     of these, errors
--   error_rate  fraction  errors of results, 0 to 1
--   unanswered  count     calls without a result
select
    tool,
    count(*) as calls,
    count(result_position) as results,
    count(*) filter (where error) as errors,
    errors / results as error_rate,
    calls - results as unanswered
from tool_calls
where day between coalesce($since, date '-infinity') and coalesce($until, date 'infinity')
group by tool
having count(*) filter (where error) > 0
order by error_rate desc, errors desc, tool
limit $count
