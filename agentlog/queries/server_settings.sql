-- Settings of the server, by name.
--   $1 names  text[]
SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name
