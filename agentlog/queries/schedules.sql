-- Schedules as they stand, in order, as a keyset page, and where the event stands that last changed what each is.
--   $1 tenant   text
--   $2 key      text     one schedule; NULL for all
--   $3 after    text     those behind this one
--   $4 limit    integer
--   $5 deleted  boolean  also those that were deleted
SELECT
    s.tenant, s.key, s.cron, s.session, s.time_zone, s.priority, s.catch_up, s.catch_up_max, s.late_s, s.overlap, s.jitter_s,
    s.is_set, s.paused, s.description, s.set_version, s.changed_version, s.next_tick, s.due_at, s.last_tick, s.last_item,
    s.fired, s.skipped,
    e.position AS changed_position
FROM {schema}.schedules AS s
LEFT JOIN {schema}.events AS e ON e.stream_id = s.stream_id AND e.version = s.changed_version
WHERE s.tenant = $1 AND (s.is_set OR $5::boolean)
    AND ($2::text IS NULL OR s.stream_id = (
        SELECT i.id FROM {schema}.streams AS i WHERE i.tenant = $1 AND i.kind = 'schedule' AND i.key = $2))
    AND s.key > $3
ORDER BY s.key
LIMIT $4
