-- Write the rows of `schedules` that one batch changed. Part of the append function; over its variables:
--   rows                json: [{"s", "f", "l", "version", …state}], of this table; s, f, l are 1-based
--   stream_ids          by s: the stream's id
--   s_tenant, s_key     by s: its identity
--   positions           by f and l: of the first and last event of the row; NULL where it was refused
--   accepted_at         the batch's time
INSERT INTO {schema}.schedules AS t (
    stream_id, version, first_position, first_time, last_position, last_time, tenant, key,
    cron, session, time_zone, priority, catch_up, catch_up_max, late_s, overlap, jitter_s, is_set, paused,
    description, set_version, changed_version, next_tick, due_at, last_tick, last_item, fired, skipped
)
SELECT
    stream_ids[r.s], r.version, positions[r.f], accepted_at, positions[r.l], accepted_at,
    s_tenant[r.s], s_key[r.s],
    r.cron, r.session, r.time_zone, r.priority, r.catch_up, r.catch_up_max, r.late_s, r.overlap, r.jitter_s,
    r.is_set, r.paused, r.description, r.set_version, r.changed_version, r.next_tick, r.due_at, r.last_tick,
    r.last_item, r.fired, r.skipped
FROM json_to_recordset(rows) AS r (
    s integer, f integer, l integer, version bigint,
    cron text, session text, time_zone text, priority integer, catch_up text, catch_up_max bigint,
    late_s double precision, overlap text, jitter_s double precision, is_set boolean, paused boolean,
    description text, set_version bigint, changed_version bigint, next_tick timestamptz, due_at timestamptz,
    last_tick timestamptz, last_item text, fired bigint, skipped bigint
)
WHERE positions[r.l] IS NOT NULL
ON CONFLICT (stream_id) DO UPDATE SET
    version = excluded.version,
    last_position = excluded.last_position,
    last_time = excluded.last_time,
    cron = excluded.cron,
    session = excluded.session,
    time_zone = excluded.time_zone,
    priority = excluded.priority,
    catch_up = excluded.catch_up,
    catch_up_max = excluded.catch_up_max,
    late_s = excluded.late_s,
    overlap = excluded.overlap,
    jitter_s = excluded.jitter_s,
    is_set = excluded.is_set,
    paused = excluded.paused,
    description = excluded.description,
    set_version = excluded.set_version,
    changed_version = excluded.changed_version,
    next_tick = excluded.next_tick,
    due_at = excluded.due_at,
    last_tick = excluded.last_tick,
    last_item = excluded.last_item,
    fired = excluded.fired,
    skipped = excluded.skipped;
