-- Streams of one share by id, a page at a time.
--   {condition}  which streams are of the share
--   $1  bigint   return ids greater than this
--   $2  integer  limit
SELECT s.id, s.tenant, s.kind, s.key FROM {schema}.streams AS s WHERE s.id > $1 AND {condition} ORDER BY s.id LIMIT $2
