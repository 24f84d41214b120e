-- Which of some tables are not there.
--   $1 text[]  tables of the log's schema
SELECT t.name FROM unnest($1::text[]) AS t (name) WHERE to_regclass('{schema}.' || t.name) IS NULL
