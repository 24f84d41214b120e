-- Put a kept chain value right.
--   $1 position bigint, $2 chain bytea
UPDATE {schema}.events SET chain = $2 WHERE position = $1
