-- One session's queue at one moment: what is claimed, then what waits, in order. One row without an item, where
-- there is none. `lane_version` is that of the session's `queue` stream.
--   $1 tenant   text
--   $2 session  text
--   $3 limit    integer
SELECT
    coalesce(l.version, 0) AS lane_version, q.stream_id, q.key, q.tenant, q.status, q.priority, q.attempts, q.merged,
    q.operation, q.reason, q.first_time AS enqueued_time, q.last_time, q.claim, q.session_version AS claimed_session_version, s.version,
    e.version AS session_version, q.over
FROM (VALUES ($1::text, $2::text)) AS wanted (tenant, session)
LEFT JOIN {schema}.streams AS l ON l.tenant = wanted.tenant AND l.kind = 'queue' AND l.key = wanted.session
LEFT JOIN {schema}.streams AS e ON e.tenant = wanted.tenant AND e.kind = 'session' AND e.key = wanted.session
LEFT JOIN LATERAL (
    (
        SELECT c.*, {schema}.is_over(c.lease, c.last_time, c.lease_s) AS over FROM {schema}.queue_items AS c
        WHERE c.tenant = $1 AND c.status = 'claimed' AND c.session = $2
        LIMIT $3
    )
    UNION ALL
    (
        SELECT p.*, false FROM {schema}.queue_items AS p
        WHERE p.tenant = $1 AND p.status = 'pending' AND p.session = $2
        ORDER BY (-p.priority::bigint), p.first_position
        LIMIT $3
    )
) AS q ON true
LEFT JOIN {schema}.streams AS s ON s.id = q.stream_id
ORDER BY q.status, q.priority DESC, q.first_position
