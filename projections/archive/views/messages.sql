-- One row per message, in its place. Without the columns that only other views need.
create view main.messages as
select * exclude (event_id, event_schema, encoding, meta, calls, results) from base.messages
