-- What compaction took out of the active windows, session by session, the most first.
-- Nothing of it left the archive. Tokens before and after are what the source said, else the whole input
-- (read from a cache, written to one, or neither) of the session's last API response before it and of the
-- first after it. Where either is missing, the compaction is counted as unmeasured and not in the sums.
--   $since  date = NULL  first day; NULL: from the beginning
--   $until  date = NULL  last day, itself included; NULL: to the end
--   $count  bigint = 20  at most so many sessions
--   tenant         text      owner
--   session        text      key
--   title          text      the last that was given
--   compactions    count     how often it was compacted
--   automatic      count     of them, without being asked to
--   unmeasured     count     of them, without tokens before and after
--   tokens_before  tokens    in the window before, summed up
--   tokens_after   tokens    in the window after, summed up
--   tokens_saved   tokens    before less after
--   saved          fraction  of what was there before, 0 to 1
with responses as (
    select
        tenant, session, first_position,
        coalesce(input_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)
            as input
    from usage
    where input > 0
),
said as (
    select
        tenant,
        key as session,
        position,
        data->>'$.trigger' as trigger,
        try_cast(data->>'$.tokens_before' as bigint) as tokens_before,
        try_cast(data->>'$.tokens_after' as bigint) as tokens_after
    from events
    where kind = 'session' and type = 'conversation_compacted'
        and cast(coalesce(occurred_at, time) at time zone 'UTC' as date)
            between coalesce($since, date '-infinity') and coalesce($until, date 'infinity')
),
measured as (
    select
        said.tenant,
        said.session,
        trigger,
        coalesce(tokens_before, earlier.input) as before,
        coalesce(tokens_after, later.input) as after,
        before is not null and after is not null as is_measured
    from said
    asof left join responses as earlier
        on earlier.tenant = said.tenant and earlier.session = said.session
        and said.position > earlier.first_position
    asof left join responses as later
        on later.tenant = said.tenant and later.session = said.session
        and said.position < later.first_position
)
select
    tenant,
    session,
    any_value(title) as title,
    count(*) as compactions,
    count(*) filter (where trigger = 'auto') as automatic,
    count(*) filter (where not is_measured) as unmeasured,
    try_cast(sum(before) filter (where is_measured) as bigint) as tokens_before,
    try_cast(sum(after) filter (where is_measured) as bigint) as tokens_after,
    try_cast(sum(before - after) filter (where is_measured) as bigint) as tokens_saved,
    sum(before - after) filter (where is_measured)
        / nullif(sum(before) filter (where is_measured), 0) as saved
from measured left join (select tenant, session, title from sessions) using (tenant, session)
group by tenant, session
order by tokens_saved desc nulls last, compactions desc, tenant, session
limit $count
