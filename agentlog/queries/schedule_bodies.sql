-- The events that say what some schedules are.
--   $1 tenant    text
--   $2 keys      text[]
--   $3 versions  bigint[]  of each, the event's version in its stream
SELECT e.position, s.tenant, s.kind, s.key, e.version, e.type, e.schema, e.id::text AS id,
       (extract(epoch FROM e.time) * 1000000)::bigint AS time_us,
       to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
       e.encoding, e.compressed, e.data, e.meta, e.hash, e.chain
  FROM unnest($2::text[], $3::bigint[]) AS wanted (key, version)
  JOIN {schema}.streams s ON s.tenant = $1 AND s.kind = 'schedule' AND s.key = wanted.key
  JOIN {schema}.events e ON e.stream_id = s.id AND e.version = wanted.version
