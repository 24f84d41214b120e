-- Some events of one stream, by version, oldest first.
--   $1 tenant text, $2 kind text, $3 key text
--   $4 versions  bigint[]
SELECT e.position, s.tenant, s.kind, s.key, e.version, e.type, e.schema, e.id::text AS id,
       (extract(epoch FROM e.time) * 1000000)::bigint AS time_us,
       to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
       e.encoding, e.compressed, e.data, e.meta, e.hash, e.chain
  FROM {schema}.streams s
  JOIN {schema}.events e ON e.stream_id = s.id AND e.version = ANY($4)
 WHERE s.tenant = $1 AND s.kind = $2 AND s.key = $3
 ORDER BY e.version
