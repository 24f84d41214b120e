-- Generations of one session, oldest first: where each begins, in messages and in stream versions.
--   $1 tenant text, $2 session key text
-- The first one begins with the stream; others with the event that started them.
SELECT g.generation, g.first_message, CASE WHEN g.generation = 0 THEN 1 ELSE g.version END AS first_version,
       lead(g.version) OVER (ORDER BY g.generation) AS next_version, s.version AS end_version
FROM {schema}.streams AS s
JOIN {schema}.generations AS g ON g.stream_id = s.id
WHERE s.tenant = $1 AND s.kind = 'session' AND s.key = $2
ORDER BY g.generation
