-- The lists of things to do that a session had, oldest first, as a keyset page.
--   $1 tenant  text
--   $2 key     text     of the session
--   $3 after   bigint   of a higher stream version
--   $4 limit   integer
SELECT e.position, s.tenant, s.kind, s.key, e.version, e.type, e.schema, e.id::text AS id,
       (extract(epoch FROM e.time) * 1000000)::bigint AS time_us,
       to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
       e.encoding, e.compressed, e.data, e.meta, e.hash, e.chain
  FROM {schema}.streams s
  JOIN {schema}.events e ON e.stream_id = s.id
 WHERE s.tenant = $1 AND s.kind = 'session' AND s.key = $2 AND e.version > $3 AND e.type = 'todos_replaced'
 ORDER BY e.version
 LIMIT $4
