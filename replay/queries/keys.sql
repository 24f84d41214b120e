-- Every idempotency key that is remembered.
SELECT tenant, key, first_position, event_count FROM {schema}.idempotency_keys ORDER BY first_position, tenant, key
