-- Remember that a segment directory is synced up to here and no further.
--   $1 id uuid, $2 durable position bigint
UPDATE {schema}.mirrors SET durable_position = $2, marked_at = now() WHERE id = $1 AND durable_position > $2
