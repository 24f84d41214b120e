-- The stream version of the event at a position, if it stands on that stream.
--   $1 position  bigint
--   $2 tenant    text
--   $3 kind      text
--   $4 key       text
SELECT e.version, e.type
FROM {schema}.events AS e
JOIN {schema}.streams AS s ON s.id = e.stream_id
WHERE e.position = $1 AND s.tenant = $2 AND s.kind = $3 AND s.key = $4
