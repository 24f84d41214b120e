-- The time, and the stream version of the event at a position if it stands on that job's stream.
--   $1 tenant    text
--   $2 key       text
--   $3 position  bigint
SELECT now() AS moment, (
    SELECT e.version
    FROM {schema}.events AS e
    JOIN {schema}.streams AS s ON s.id = e.stream_id
    WHERE e.position = $3 AND s.tenant = $1 AND s.kind = 'external_job' AND s.key = $2) AS version
