-- One row per event of the log.
create view main.events as select * from base.events
