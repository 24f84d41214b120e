-- One row per compaction.
create view main.compactions as
select
    tenant,
    key as session,
    position,
    version,
    data ->> '$.trigger' as trigger,
    try_cast(data ->> '$.tokens_before' as bigint) as tokens_before,
    try_cast(data ->> '$.tokens_after' as bigint) as tokens_after,
    tokens_before - tokens_after as tokens_saved,
    data ->> '$.summary' as summary,
    coalesce(occurred_at, time) as compacted_at,
    cast(compacted_at at time zone 'UTC' as date) as day
from base.events
where kind = 'session' and type = 'conversation_compacted'
