-- What happened in one session, in order: messages and everything that changed it.
--   $tenant   varchar
--   $session  varchar
--   $after    bigint  only of positions above this
--   $count    bigint  at most this many
with happened as (
    select
        position, coalesce(occurred_at, time) as time, 'message_appended' as type, generation, seq, role, tool,
        tool_error as error, substr(coalesce(text, tool_input, tool_result, thinking), 1, 120) as said,
        bytes, output_tokens
    from whole.messages
    where tenant = $tenant and session = $session and position > $after
    union all by name
    select
        position, coalesce(occurred_at, time) as time, type, generation,
        concat_ws(' ', state, title) as said
    from whole.session_changes
    where tenant = $tenant and session = $session and position > $after
),
placed as (
    select *, epoch(time) - epoch(lag(time) over (order by position)) as gap_s from happened
)
select position, time, gap_s, type, generation, seq, role, tool, error, said, bytes, output_tokens
from placed
order by position
limit $count
