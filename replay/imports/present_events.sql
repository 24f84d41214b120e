-- Ids of the events some streams already hold, one page, oldest first in each stream.
--   $1 tenant text
--   $2 kinds text[], $3 keys text[]   the streams
--   $4 after  bigint[]                per stream: return versions greater than this
--   $5 limit  integer
SELECT s.kind, s.key, e.version, e.id::text AS id
  FROM unnest($2::text[], $3::text[], $4::bigint[]) AS i(kind, key, after)
  JOIN {schema}.streams s ON s.tenant = $1 AND s.kind = i.kind AND s.key = i.key
  JOIN {schema}.events e ON e.stream_id = s.id AND e.version > i.after
 ORDER BY s.kind, s.key, e.version
 LIMIT $5
