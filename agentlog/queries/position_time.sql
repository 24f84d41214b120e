-- When the log accepted the event at a position; position 0 is before all of them.
--   $1 position  bigint
SELECT coalesce((SELECT e.time FROM {schema}.events AS e WHERE e.position = $1), 'epoch') AS time
