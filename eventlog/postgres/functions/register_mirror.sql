-- Make a segment directory known, and return how far it was last known to be synced.
-- A function, so that a role that may only append needs no right to write tables.
CREATE OR REPLACE FUNCTION {schema}.register_mirror(mirror uuid, path text) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
    INSERT INTO {schema}.mirrors (id, directory, durable_position) VALUES (mirror, path, 0)
    ON CONFLICT (id) DO UPDATE SET directory = excluded.directory
    RETURNING durable_position
$body$;
