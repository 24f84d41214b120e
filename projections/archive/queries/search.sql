-- Messages that hold any of some words, whatever their case: those with most of the words first, then the newest.
--   {terms}    list of the words, in lower case
--   {filters}  which messages
--   $skip      bigint   so many of them were shown before
--   $count     bigint   at most this many
with said as (
    select
        position, session, generation, seq, role, tool, coalesce(occurred_at, time) as time,
        concat_ws(chr(10), text, tool_input, tool_result, thinking) as haystack,
        lower(haystack) as folded,
        [term for term in {terms} if contains(folded, term)] as terms
    from whole.messages
    where {filters}
),
chosen as (
    select * from said
    where len(terms) > 0
    order by len(terms) desc, position desc
    limit $count offset $skip
)
select
    position, session, generation, seq, role, tool, time, len(terms) as matched, terms,
    substr(haystack, greatest(strpos(folded, terms[1]) - 80, 1), 240) as excerpt
from chosen
order by matched desc, position desc
