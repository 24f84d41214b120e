-- Remove the rows that some streams have in one projection table.
--   {table}  filled in from the registered projection
--   $1  bigint[]  stream ids
DELETE FROM {schema}.{table} WHERE stream_id = ANY($1::bigint[])
