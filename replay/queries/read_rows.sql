-- Rows of the log as they stand, damaged or not: also those whose stream is missing.
--   $1 after  bigint   return positions greater than this
--   $2 until  bigint   and at most this
--   $3 limit  integer
SELECT e.position, e.stream_id, s.tenant, s.kind, s.key, e.version, e.type, e.schema, e.id::text AS id,
       (extract(epoch FROM e.time) * 1000000)::bigint AS time_us,
       to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
       e.encoding, e.compressed, e.data, e.meta, e.hash, e.chain
  FROM {schema}.events e LEFT JOIN {schema}.streams s ON s.id = e.stream_id
 WHERE e.position > $1 AND e.position <= $2
 ORDER BY e.position
 LIMIT $3
