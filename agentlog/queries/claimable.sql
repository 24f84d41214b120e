-- Items that may be claimed next: what waits for anybody, and the head of each session's line whose session has
-- nothing claimed. Takes no lock: who claims appends with the versions of the item and of the session's `queue`
-- stream as expected versions.
--
-- Goes from one session to the next by index, so that a line of any length is one step.
--   $1 tenant   text
--   $2 limit    integer  items for anybody; 0 on later pages
--   $3 urgency  bigint   begin after this place: minus the priority …
--   $4 session  text     … and the session; NULL: at the first
--   $5 exactly  boolean  false: only if nothing more urgent waits; otherwise at the first
--   $6 steps    integer  sessions to look at
WITH RECURSIVE top AS (
    SELECT (-q.priority::bigint) AS urgency
    FROM {schema}.queue_items AS q
    WHERE q.tenant = $1 AND q.status = 'pending' AND q.session IS NOT NULL
    ORDER BY (-q.priority::bigint)
    LIMIT 1
),
start AS (
    SELECT
        CASE WHEN $5::boolean THEN $3::bigint ELSE t.urgency END AS urgency,
        CASE WHEN $5::boolean OR t.urgency = $3::bigint THEN coalesce($4::text, '') ELSE '' END AS session
    FROM top AS t
),
place AS (
    SELECT n.urgency, n.session, 1 AS step
    FROM start AS p
    CROSS JOIN LATERAL (
        SELECT (-q.priority::bigint) AS urgency, q.session
        FROM {schema}.queue_items AS q
        WHERE q.tenant = $1 AND q.status = 'pending' AND q.session IS NOT NULL
            AND ((-q.priority::bigint), q.session) > (p.urgency, p.session)
        ORDER BY (-q.priority::bigint), q.session
        LIMIT 1
    ) AS n
    UNION ALL
    SELECT n.urgency, n.session, p.step + 1
    FROM place AS p
    CROSS JOIN LATERAL (
        SELECT (-q.priority::bigint) AS urgency, q.session
        FROM {schema}.queue_items AS q
        WHERE q.tenant = $1 AND q.status = 'pending' AND q.session IS NOT NULL
            AND ((-q.priority::bigint), q.session) > (p.urgency, p.session)
        ORDER BY (-q.priority::bigint), q.session
        LIMIT 1
    ) AS n
    WHERE p.step < $6::integer
),
free AS (
    SELECT p.urgency, p.session, p.step, h.stream_id
    FROM place AS p
    LEFT JOIN LATERAL (
        SELECT q.stream_id FROM {schema}.queue_items AS q
        WHERE q.tenant = $1 AND q.status = 'pending' AND q.session = p.session
            AND NOT EXISTS (
                SELECT FROM {schema}.queue_items AS c
                WHERE c.tenant = $1 AND c.status = 'claimed' AND c.session = p.session)
        ORDER BY (-q.priority::bigint), q.first_position
        LIMIT 1
    ) AS h ON true
),
anybody AS (
    SELECT (-q.priority::bigint) AS urgency, NULL::text AS session, 0 AS step, q.stream_id
    FROM {schema}.queue_items AS q
    WHERE q.tenant = $1 AND q.status = 'pending' AND q.session IS NULL
    ORDER BY (-q.priority::bigint), q.first_position
    LIMIT $2
)
SELECT
    c.urgency, c.session AS lane, c.step, c.stream_id, q.key, q.tenant, q.priority, q.attempts, q.merged, q.operation,
    q.first_position, q.first_time AS enqueued_time, s.version, coalesce(l.version, 0) AS lane_version,
    e.version AS session_version
FROM (SELECT * FROM anybody UNION ALL SELECT * FROM free) AS c
LEFT JOIN {schema}.queue_items AS q ON q.stream_id = c.stream_id
LEFT JOIN {schema}.streams AS s ON s.id = c.stream_id
LEFT JOIN {schema}.streams AS l ON l.tenant = $1 AND l.kind = 'queue' AND l.key = c.session
LEFT JOIN {schema}.streams AS e ON e.tenant = $1 AND e.kind = 'session' AND e.key = c.session
