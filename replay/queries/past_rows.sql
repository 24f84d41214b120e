-- Put the state of one stream into the tables of the past. What is filled in is insert_rows.sql, once for each table.
--   $1 position, $3 stream id, $7 version  bigint; without a stream id there is no such stream
--   $2 time, $4 tenant, $5 kind, $6 key    text
--   $8 …  json  the rows of each table
WITH moment AS (INSERT INTO pg_temp.moment (position, time) VALUES ($1::bigint, $2::text::timestamptz)){inserts}
INSERT INTO pg_temp.streams (id, tenant, kind, key, version)
SELECT $3::bigint, $4::text, $5::text, $6::text, $7::bigint WHERE $3::bigint IS NOT NULL
