-- Where a session's active window begins and where its stream ends, in stream versions.
--   $1 tenant text, $2 session key text
SELECT s.version, coalesce(c.window_start, 1) AS window_start
FROM {schema}.streams AS s
LEFT JOIN {schema}.conversations AS c ON c.stream_id = s.id
WHERE s.tenant = $1 AND s.kind = 'session' AND s.key = $2
