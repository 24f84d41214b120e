-- The segment directories that are known, and how far each is known to be synced.
SELECT id, directory, durable_position FROM {schema}.mirrors ORDER BY id
