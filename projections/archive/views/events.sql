-- One row per event of the log. A message has its parts in `messages` and no `data` here.
create view main.events as
select position, tenant, kind, key, version, type, schema, id, time, occurred_at, encoding, data, meta
from base.events
union all
select
    position, tenant, 'session' as kind, session as key, version, 'message_appended' as type,
    event_schema as schema, event_id as id, time, occurred_at, encoding, null as data, meta
from base.messages
