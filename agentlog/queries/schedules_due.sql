-- Schedules with a tick that is due, the longest due first, with the item of the tick before. Takes no lock: who
-- fires appends with `version` as the expected version.
--   $1 tenant  text
--   $2 moment  timestamptz  due by then; NULL: by now
--   $3 limit   integer
SELECT
    s.tenant, s.key, v.version, coalesce($2::timestamptz, now()) AS moment, s.cron, s.session, s.time_zone, s.priority, s.catch_up, s.catch_up_max, s.late_s, s.overlap, s.jitter_s,
    s.is_set, s.paused, s.description, s.set_version, s.changed_version, s.next_tick, s.due_at, s.last_tick, s.last_item,
    s.fired, s.skipped,
    q.status AS item_status, i.version AS item_version
FROM {schema}.schedules AS s
JOIN {schema}.streams AS v ON v.id = s.stream_id
LEFT JOIN {schema}.streams AS i ON i.tenant = s.tenant AND i.kind = 'queue_item' AND i.key = s.last_item
LEFT JOIN {schema}.queue_items AS q ON q.stream_id = i.id
WHERE s.tenant = $1 AND s.due_at <= coalesce($2::timestamptz, now())
ORDER BY s.due_at, s.stream_id
LIMIT $3
