-- Tasks that may be claimed next: the first of each priority that have no lane, and the first of each lane that has
-- room. Takes no lock: who claims appends with the versions of the task and of the lane's `task_lane` stream as
-- expected versions. `now` is the server's clock, never before the log's.
--
-- Goes from one priority or lane to the next by index, so that a line of any length is one step.
--   $1 tenant   text
--   $2 queue    text
--   $3 limit    integer      tasks of each priority, and of each lane
--   $4 urgency  bigint       for this urgency (minus the priority) …
--   $5 low      timestamptz  … nothing waits that was due before; NULL: it may
--   $6 place    bigint       begin behind this place: an urgency …
--   $7 lane     text         … and a lane; NULL: at the first
--   $8 exactly  boolean      false: only if nothing more urgent waits; otherwise at the first
--   $9 steps    integer      lanes to look at
WITH RECURSIVE clock AS (
    SELECT greatest(now(), h.time) AS now FROM {schema}.head AS h
),
level AS (
    (
        SELECT (-t.priority::bigint) AS urgency
        FROM {schema}.tasks AS t
        WHERE t.tenant = $1 AND t.queue = $2 AND t.status = 'pending' AND t.lane IS NULL
        ORDER BY (-t.priority::bigint)
        LIMIT 1
    )
    UNION ALL
    SELECT n.urgency
    FROM level AS p
    CROSS JOIN LATERAL (
        SELECT (-t.priority::bigint) AS urgency
        FROM {schema}.tasks AS t
        WHERE t.tenant = $1 AND t.queue = $2 AND t.status = 'pending' AND t.lane IS NULL
            AND (-t.priority::bigint) > p.urgency
        ORDER BY (-t.priority::bigint)
        LIMIT 1
    ) AS n
),
alone AS (
    SELECT l.urgency, f.stream_id, f.due, f.first_position
    FROM level AS l
    CROSS JOIN clock AS c
    CROSS JOIN LATERAL (
        SELECT t.stream_id, coalesce(t.run_at, t.first_time) AS due, t.first_position
        FROM {schema}.tasks AS t
        WHERE t.tenant = $1 AND t.queue = $2 AND t.status = 'pending' AND t.lane IS NULL
            AND (-t.priority::bigint) = l.urgency
            AND coalesce(t.run_at, t.first_time) <= c.now
            AND coalesce(t.run_at, t.first_time)
                >= CASE WHEN l.urgency = $4::bigint THEN coalesce($5::timestamptz, '-infinity') ELSE '-infinity' END
            AND (t.expires_at IS NULL OR t.expires_at > c.now)
        ORDER BY (-t.priority::bigint), coalesce(t.run_at, t.first_time), t.first_position
        LIMIT $3
    ) AS f
    LIMIT $3
),
top AS (
    SELECT (-t.priority::bigint) AS urgency
    FROM {schema}.tasks AS t
    WHERE t.tenant = $1 AND t.queue = $2 AND t.status = 'pending' AND t.lane IS NOT NULL
    ORDER BY (-t.priority::bigint)
    LIMIT 1
),
start AS (
    SELECT
        CASE WHEN $8::boolean THEN $6::bigint ELSE t.urgency END AS urgency,
        CASE WHEN $8::boolean OR t.urgency = $6::bigint THEN coalesce($7::text, '') ELSE '' END AS lane
    FROM top AS t
),
place AS (
    SELECT n.urgency, n.lane, 1 AS step
    FROM start AS p
    CROSS JOIN LATERAL (
        SELECT (-t.priority::bigint) AS urgency, t.lane
        FROM {schema}.tasks AS t
        WHERE t.tenant = $1 AND t.queue = $2 AND t.status = 'pending' AND t.lane IS NOT NULL
            AND ((-t.priority::bigint), t.lane) > (p.urgency, p.lane)
        ORDER BY (-t.priority::bigint), t.lane
        LIMIT 1
    ) AS n
    UNION ALL
    SELECT n.urgency, n.lane, p.step + 1
    FROM place AS p
    CROSS JOIN LATERAL (
        SELECT (-t.priority::bigint) AS urgency, t.lane
        FROM {schema}.tasks AS t
        WHERE t.tenant = $1 AND t.queue = $2 AND t.status = 'pending' AND t.lane IS NOT NULL
            AND ((-t.priority::bigint), t.lane) > (p.urgency, p.lane)
        ORDER BY (-t.priority::bigint), t.lane
        LIMIT 1
    ) AS n
    WHERE p.step < $9::integer
),
heads AS (
    SELECT p.urgency, p.lane, p.step, f.stream_id, f.due, f.first_position, r.running
    FROM place AS p
    CROSS JOIN clock AS c
    CROSS JOIN LATERAL (
        SELECT count(*) AS running FROM {schema}.tasks AS t
        WHERE t.tenant = $1 AND t.lane = p.lane AND t.status = 'running'
    ) AS r
    LEFT JOIN LATERAL (
        SELECT t.stream_id, coalesce(t.run_at, t.first_time) AS due, t.first_position
        FROM {schema}.tasks AS t
        WHERE t.tenant = $1 AND t.queue = $2 AND t.status = 'pending' AND t.lane = p.lane
            AND (-t.priority::bigint) = p.urgency
            AND coalesce(t.run_at, t.first_time) <= c.now
            AND (t.expires_at IS NULL OR t.expires_at > c.now)
            AND r.running < coalesce(t.lane_running_max, r.running + 1)
        ORDER BY (-t.priority::bigint), t.lane, coalesce(t.run_at, t.first_time), t.first_position
        LIMIT $3
    ) AS f ON true
)
SELECT
    w.urgency, w.lane, w.step, w.stream_id, w.running, c.now, t.key, t.queue, t.session, t.priority, t.run_at,
    t.expires_at, t.lane_running_max, t.lane_rate_max, t.lane_rate_s, t.retries_max, t.backoff_s, t.attempts,
    t.retries, t.releases, t.turn, t.merged, t.notified, t.first_time AS enqueued_time, w.due, s.version,
    coalesce(l.version, 0) AS lane_version, b.tokens, b.at
FROM (
    SELECT a.urgency, NULL::text AS lane, 0 AS step, a.stream_id, a.due, a.first_position, 0 AS running
    FROM alone AS a
    UNION ALL
    SELECT h.urgency, h.lane, h.step, h.stream_id, h.due, h.first_position, h.running FROM heads AS h
) AS w
CROSS JOIN clock AS c
LEFT JOIN {schema}.tasks AS t ON t.stream_id = w.stream_id
LEFT JOIN {schema}.streams AS s ON s.id = w.stream_id
LEFT JOIN {schema}.streams AS l ON l.tenant = $1 AND l.kind = 'task_lane' AND l.key = w.lane
LEFT JOIN {schema}.task_lanes AS b ON b.stream_id = l.id
