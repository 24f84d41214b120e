-- Whether a table exists.
--   $1 text  its name, schema included
SELECT to_regclass($1) IS NOT NULL AS found
