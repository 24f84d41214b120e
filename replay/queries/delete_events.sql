-- Remove rows that are not what was written; they are kept in quarantine/ and written anew.
--   $1 positions bigint[]
DELETE FROM {schema}.events WHERE position = ANY($1::bigint[])
