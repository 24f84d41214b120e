-- The last event on one key up to a position and a time. Its stream is in order of both.
--   $1 tenant text, $2 key text (of the stream)
--   $3 position  bigint       not behind it
--   $4 time      timestamptz  nor accepted later
--   $5 before    bigint       of a lower stream version
SELECT e.position, s.tenant, s.kind, s.key, e.version, e.type, e.schema, e.id::text AS id,
       (extract(epoch FROM e.time) * 1000000)::bigint AS time_us,
       to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
       e.encoding, e.compressed, e.data, e.meta, e.hash, e.chain
  FROM {schema}.streams s
  JOIN {schema}.events e ON e.stream_id = s.id
 WHERE s.tenant = $1 AND s.kind = 'key' AND s.key = $2
   AND e.version < $5 AND e.position <= $3 AND e.time <= $4
 ORDER BY e.version DESC
 LIMIT 1
