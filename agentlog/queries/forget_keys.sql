-- Drop idempotency keys whose lifetime is over, the oldest first; how many.
--   $1 tenant  text     NULL for all tenants
--   $2 limit   integer
SELECT {schema}.forget_keys($1, $2) AS dropped
