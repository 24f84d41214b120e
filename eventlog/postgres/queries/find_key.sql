-- What an idempotency key stands for, while it is remembered.
--   $1 tenant text, $2 key text
SELECT first_position, event_count FROM {schema}.idempotency_keys
 WHERE tenant = $1 AND key = $2 AND expires_at > now()
