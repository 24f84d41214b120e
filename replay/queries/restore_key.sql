-- Remember the idempotency key of a command again, unless its time is over.
--   $1 tenant text, $2 key text, $3 first position bigint, $4 event count integer
--   $5 when the log accepted it text, $6 lifetime interval
INSERT INTO {schema}.idempotency_keys (tenant, key, first_position, event_count, expires_at)
SELECT $1, $2, $3, $4, $5::text::timestamptz + $6::interval
 WHERE $5::text::timestamptz + $6::interval > now()
ON CONFLICT (tenant, key) DO UPDATE
   SET first_position = excluded.first_position, event_count = excluded.event_count,
       expires_at = excluded.expires_at;
