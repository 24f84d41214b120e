-- Streams by id, a page at a time.
--   $1  bigint   return ids greater than this
--   $2  integer  limit
SELECT id, tenant, kind, key, version FROM {schema}.streams WHERE id > $1 ORDER BY id LIMIT $2
