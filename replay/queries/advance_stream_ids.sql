-- Let new streams get ids behind those that were copied in.
--   $1 the table as text, schema included
SELECT setval(pg_get_serial_sequence($1, 'id'), (SELECT greatest(1, coalesce(max(id), 1)) FROM {schema}.streams))
