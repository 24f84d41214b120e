-- Generation of a message, and its place among the messages of that generation, from 0.
--   $1 tenant text, $2 session key text, $3 version bigint of the message
-- Counts messages, so it costs as much as there are: asked for only where nobody remembers the place.
SELECT g.generation,
       (SELECT count(*) - 1 FROM {schema}.events AS e
         WHERE e.stream_id = s.id AND e.version >= g.first_version AND e.version <= $3
           AND e.type = 'message_appended') AS seq
FROM {schema}.streams AS s
CROSS JOIN LATERAL (
    SELECT n.generation, CASE WHEN n.generation = 0 THEN 1 ELSE n.version END AS first_version
    FROM {schema}.generations AS n
    WHERE n.stream_id = s.id AND (n.generation = 0 OR n.version <= $3)
    ORDER BY n.generation DESC
    LIMIT 1
) AS g
WHERE s.tenant = $1 AND s.kind = 'session' AND s.key = $2
