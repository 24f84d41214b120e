-- Make a segment directory known, and return how far it was last known to be synced.
--   $1 id uuid, $2 directory text
SELECT {schema}.register_mirror($1, $2) AS durable_position
