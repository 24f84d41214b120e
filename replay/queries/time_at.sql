-- When the log accepted the event at a position, in microseconds since 1970.
--   $1 position bigint
SELECT (extract(epoch FROM e.time) * 1000000)::bigint AS time_us FROM {schema}.events e WHERE e.position = $1
