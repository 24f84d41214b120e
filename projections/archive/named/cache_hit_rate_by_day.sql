-- How much of each day's input came from a cache.
-- The rate is tokens read from a cache, of all tokens of input: read, written to a cache, and neither.
-- Each API response counts once, on the UTC day it began.
--   $since  date = NULL  first day; NULL: from the beginning
--   $until  date = NULL  last day, itself included; NULL: to the end
--   day                 date      UTC day; days without input have no row
--   responses           count     API responses with any input
--   input_tokens        tokens    without what was read from or written to a cache
--   cache_read_tokens   tokens    read from a cache
--   cache_write_tokens  tokens    written to a cache
--   hit_rate            fraction  0 to 1
select
    day,
    count(*) as responses,
    try_cast(sum(coalesce(input_tokens, 0)) as bigint) as input_tokens,
    try_cast(sum(coalesce(cache_read_tokens, 0)) as bigint) as cache_read_tokens,
    try_cast(sum(coalesce(cache_write_tokens, 0)) as bigint) as cache_write_tokens,
    sum(coalesce(cache_read_tokens, 0))
        / sum(coalesce(input_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0))
        as hit_rate
from usage
where day between coalesce($since, date '-infinity') and coalesce($until, date 'infinity')
    and coalesce(input_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0) > 0
group by day
order by day
