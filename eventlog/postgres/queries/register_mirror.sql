-- Make a segment directory known, and return how far it was last known to be synced.
--   $1 id uuid, $2 directory text
INSERT INTO {schema}.mirrors (id, directory, durable_position) VALUES ($1, $2, 0)
ON CONFLICT (id) DO UPDATE SET directory = excluded.directory
RETURNING durable_position
