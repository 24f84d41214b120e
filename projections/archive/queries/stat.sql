-- What the archive has of one session, per generation.
--   $tenant   varchar
--   $session  varchar
select
    generation,
    count(*) as messages,
    min(seq) as first_seq,
    max(seq) as last_seq,
    min(position) as first_position,
    max(position) as last_position,
    min(coalesce(occurred_at, time)) as first_time,
    max(coalesce(occurred_at, time)) as last_time,
    coalesce(sum(strlen(text)), 0) + coalesce(sum(strlen(tool_input)), 0)
        + coalesce(sum(strlen(tool_result)), 0) as text_bytes
from whole.messages
where tenant = $tenant and session = $session
group by generation
order by generation
