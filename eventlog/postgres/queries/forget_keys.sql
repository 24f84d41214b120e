-- Forget idempotency keys whose time is over.
DELETE FROM {schema}.idempotency_keys WHERE expires_at < now()
