-- Events of one stream, oldest first.
--   $1 tenant text, $2 kind text, $3 key text
--   $4 after  bigint   return versions greater than this; 0 for all
--   $5 limit  integer
SELECT e.position, s.tenant, s.kind, s.key, e.version, e.type, e.schema, e.id::text AS id,
       (extract(epoch FROM e.time) * 1000000)::bigint AS time_us,
       to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
       e.encoding, e.compressed, e.data, e.meta, e.hash, e.chain
  FROM {schema}.events e JOIN {schema}.streams s ON s.id = e.stream_id
 WHERE s.tenant = $1 AND s.kind = $2 AND s.key = $3 AND e.version > $4
 ORDER BY e.version
 LIMIT $5
