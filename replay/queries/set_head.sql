-- Put the head where the events end, and begin a new epoch.
--   $1 log id uuid, $2 position bigint, $3 time timestamptz, $4 chain bytea
UPDATE {schema}.head SET log_id = $1, position = $2, time = $3, chain = $4, epoch = epoch + 1
