-- Forget an idempotency key that points at nothing.
--   $1 tenant text, $2 key text
DELETE FROM {schema}.idempotency_keys WHERE tenant = $1 AND key = $2
