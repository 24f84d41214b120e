-- Messages in which a regular expression (RE2) is found, oldest first, with what surrounds it. The pattern
-- is a literal: as a parameter it would be compiled for every row.
--   {pattern}  the expression, looked for in text, tool input, tool result and thinking, in this order
--   {filters}  which messages
--   {around}   characters before and after the place
--   $count     bigint   at most this many
with found as (
    select
        position, session, generation, seq, role, tool, coalesce(occurred_at, time) as time,
        case
            when regexp_matches(text, {pattern}) then 'text'
            when regexp_matches(tool_input, {pattern}) then 'tool_input'
            when regexp_matches(tool_result, {pattern}) then 'tool_result'
            when regexp_matches(thinking, {pattern}) then 'thinking'
        end as found_in,
        case found_in
            when 'text' then text
            when 'tool_input' then tool_input
            when 'tool_result' then tool_result
            when 'thinking' then thinking
        end as haystack
    from whole.messages
    where {filters} and found_in is not null
    order by position
    limit $count
),
placed as (
    select *, strpos(haystack, regexp_extract(haystack, {pattern})) as place from found
)
select
    position, session, generation, seq, role, tool, time, found_in,
    substr(haystack, greatest(place - {around}, 1), place - greatest(place - {around}, 1)) as before,
    substr(haystack, place, {around}) as excerpt
from placed
order by position
