-- The event with the value of one key; no row when it was never set, was deleted, or has expired.
--   $1 tenant text, $2 key text (of the stream)
SELECT e.position, s.tenant, s.kind, s.key, e.version, e.type, e.schema, e.id::text AS id,
       (extract(epoch FROM e.time) * 1000000)::bigint AS time_us,
       to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
       e.encoding, e.compressed, e.data, e.meta, e.hash, e.chain
  FROM {schema}.streams s
  JOIN {schema}.key_values k ON k.stream_id = s.id
  JOIN {schema}.events e ON e.stream_id = k.stream_id AND e.version = k.value_version
 WHERE s.tenant = $1 AND s.kind = 'key' AND s.key = $2
   AND k.is_set AND (k.expires_at IS NULL OR k.expires_at > now())
