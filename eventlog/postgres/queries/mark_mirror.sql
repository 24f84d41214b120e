-- Remember how far a segment directory is synced.
--   $1 id uuid, $2 durable position bigint
UPDATE {schema}.mirrors SET durable_position = $2, marked_at = now() WHERE id = $1 AND durable_position < $2
