-- Idempotency keys that point at nothing, or at events of another tenant.
--   $1 head position bigint
SELECT k.tenant, k.key, k.first_position, k.event_count
  FROM {schema}.idempotency_keys k
  LEFT JOIN {schema}.events e ON e.position = k.first_position
  LEFT JOIN {schema}.streams s ON s.id = e.stream_id
 WHERE k.event_count < 1 OR k.first_position < 1 OR k.first_position + k.event_count - 1 > $1
    OR s.tenant IS DISTINCT FROM k.tenant
 ORDER BY k.first_position, k.tenant, k.key
