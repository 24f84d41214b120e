-- Messages in which a regular expression (RE2) is found, oldest first, with what surrounds it.
--   $tenant   varchar
--   $session  varchar  one session, or NULL for all of the tenant
--   $pattern  varchar  looked for in text, tool input, tool result and thinking, in this order
--   $count    bigint   at most this many
with found as (
    select
        position, session, generation, seq, role, tool, coalesce(occurred_at, time) as time,
        case
            when regexp_matches(text, $pattern) then 'text'
            when regexp_matches(tool_input, $pattern) then 'tool_input'
            when regexp_matches(tool_result, $pattern) then 'tool_result'
            when regexp_matches(thinking, $pattern) then 'thinking'
        end as found_in,
        case found_in
            when 'text' then text
            when 'tool_input' then tool_input
            when 'tool_result' then tool_result
            when 'thinking' then thinking
        end as haystack
    from whole.messages
    where tenant = $tenant and ($session::varchar is null or session = $session::varchar)
        and found_in is not null
    order by position
    limit $count
),
placed as (
    select *, strpos(haystack, regexp_extract(haystack, $pattern)) as place from found
)
select
    position, session, generation, seq, role, tool, time, found_in,
    substr(haystack, greatest(place - 80, 1), 240) as excerpt
from placed
order by position
