-- The events that a moment of the past has.
CREATE TEMPORARY VIEW events AS
SELECT e.* FROM {schema}.events e WHERE e.position <= (SELECT m.position FROM pg_temp.moment m)
