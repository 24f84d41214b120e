-- Put the state of one stream into the tables of the past. What is filled in is insert_rows.sql, once for each table.
--   $1 position, $2 stream id, $6 version  bigint
--   $3 tenant, $4 kind, $5 key  text
--   $7 …  json  the rows of each table
WITH moment AS (INSERT INTO pg_temp.moment VALUES ($1::bigint)){inserts}
INSERT INTO pg_temp.streams (id, tenant, kind, key, version)
VALUES ($2::bigint, $3::text, $4::text, $5::text, $6::bigint)
