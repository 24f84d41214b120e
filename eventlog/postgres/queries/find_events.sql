-- Where events stand, by stream id and event id: the truth about a commit whose answer was lost.
--   $1 stream_ids bigint[], $2 event ids uuid[]
SELECT e.id::text AS id, e.position
  FROM unnest($1::bigint[], $2::uuid[]) AS i(stream_id, id)
  JOIN {schema}.events e ON e.stream_id = i.stream_id AND e.id = i.id
