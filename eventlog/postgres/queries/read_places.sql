-- Places of a range of events: what a receipt is made of.
--   $1 first position bigint, $2 last position bigint
SELECT e.position, e.version, s.tenant, s.kind, s.key, (extract(epoch FROM e.time) * 1000000)::bigint AS time_us
  FROM {schema}.events e JOIN {schema}.streams s ON s.id = e.stream_id
 WHERE e.position BETWEEN $1 AND $2
 ORDER BY e.position
