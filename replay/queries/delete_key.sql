-- Forget an idempotency key that does not say what its events note.
--   $1 tenant text, $2 key text
DELETE FROM {schema}.idempotency_keys WHERE tenant = $1 AND key = $2
