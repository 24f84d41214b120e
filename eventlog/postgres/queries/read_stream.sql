-- Events of one stream, oldest first.
-- Its id is looked up first, and versions have no gaps: so an index gives these events in their order, whatever
-- is known of the tables. Joined, all that follow were read and sorted for each page of them.
--   $1 tenant text, $2 kind text, $3 key text
--   $4 after  bigint   return versions greater than this; 0 for all
--   $5 limit  bigint
SELECT e.position, $1::text AS tenant, $2::text AS kind, $3::text AS key, e.version, e.type, e.schema, e.id::text AS id,
       (extract(epoch FROM e.time) * 1000000)::bigint AS time_us,
       to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
       e.encoding, e.compressed, e.data, e.meta, e.hash, e.chain
  FROM {schema}.events e
 WHERE e.stream_id = (SELECT s.id FROM {schema}.streams s WHERE s.tenant = $1 AND s.kind = $2 AND s.key = $3)
   AND e.version > $4::bigint
   AND e.version <= least($4::bigint, 4000000000000000000) + least($5::bigint, 1000000000000)  -- no overflow
 ORDER BY e.version
 LIMIT $5
