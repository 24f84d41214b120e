-- Events of some types of some streams, up to a version each; stream by stream, oldest first.
--   $1 stream_ids  bigint[]
--   $2 versions    bigint[]
--   $3 types       text[]
SELECT e.position, s.tenant, s.kind, s.key, e.version, e.type, e.schema, e.id::text AS id,
       (extract(epoch FROM e.time) * 1000000)::bigint AS time_us,
       to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
       e.encoding, e.compressed, e.data, e.meta, e.hash, e.chain
  FROM unnest($1::bigint[], $2::bigint[]) AS wanted (stream_id, version)
  JOIN {schema}.streams s ON s.id = wanted.stream_id
  JOIN {schema}.events e ON e.stream_id = wanted.stream_id AND e.version <= wanted.version
 WHERE e.type = ANY ($3::text[])
 ORDER BY wanted.stream_id, e.version
