-- The newest kept chain value at or before a position.
--   $1 position bigint
SELECT position, chain FROM {schema}.events
 WHERE position <= $1 AND chain IS NOT NULL
 ORDER BY position DESC
 LIMIT 1
