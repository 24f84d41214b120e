-- Rows as they stand, as text for keeping.
--   $1 positions bigint[]
SELECT row_to_json(e)::text AS row FROM {schema}.events e WHERE e.position = ANY($1::bigint[]) ORDER BY e.position
