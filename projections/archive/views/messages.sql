-- One row per message, in its place.
create view main.messages as select * from base.messages
