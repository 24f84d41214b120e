-- Remove streams that have no event.
--   $1 ids bigint[]
DELETE FROM {schema}.streams WHERE id = ANY($1::bigint[])
