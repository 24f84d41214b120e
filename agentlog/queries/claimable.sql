-- Items that a worker may claim: pending ones, and claimed ones whose lease is over. Takes no lock:
-- who claims appends with `version` as the expected version.
--   $1 tenant   text
--   $2 session  text     items of that session; NULL for any
--   $3 limit    integer
WITH pending AS (
    SELECT q.stream_id, q.key, q.priority, q.first_position
    FROM {schema}.queue_items AS q
    WHERE q.tenant = $1 AND q.status = 'pending' AND ($2::text IS NULL OR q.session = $2)
    ORDER BY q.priority DESC, q.first_position
    LIMIT $3
),
expired AS (
    SELECT q.stream_id, q.key, q.priority, q.first_position
    FROM {schema}.queue_items AS q
    WHERE q.tenant = $1 AND q.status = 'claimed' AND ($2::text IS NULL OR q.session = $2)
        AND q.last_time + make_interval(secs => q.lease_s) < now()
    ORDER BY q.priority DESC, q.first_position
    LIMIT $3
)
SELECT c.key, s.version
FROM (SELECT * FROM pending UNION ALL SELECT * FROM expired) AS c
JOIN {schema}.streams AS s ON s.id = c.stream_id
ORDER BY c.priority DESC, c.first_position
LIMIT $3
