-- The events with the values of a namespace's keys, in order of the keys, as a keyset page.
--   $1 tenant     text
--   $2 namespace  text
--   $3 prefix     text     keys from this one on
--   $4 end        text     up to, without, this one
--   $5 after      text     and behind this one
--   $6 limit      integer
SELECT e.position, s.tenant, s.kind, s.key, e.version, e.type, e.schema, e.id::text AS id,
       (extract(epoch FROM e.time) * 1000000)::bigint AS time_us,
       to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
       e.encoding, e.compressed, e.data, e.meta, e.hash, e.chain
  FROM {schema}.key_values k
  JOIN {schema}.streams s ON s.id = k.stream_id
  JOIN {schema}.events e ON e.stream_id = k.stream_id AND e.version = k.value_version
 WHERE k.tenant = $1 AND k.namespace = $2 AND k.name >= $3 AND k.name < $4 AND k.name > $5
   AND k.is_set AND (k.expires_at IS NULL OR k.expires_at > now())
 ORDER BY k.name
 LIMIT $6
