-- Schedules: what they are and when each is due. One row per schedule stream; what a tick puts in the queue is in the log.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.schedules (
    stream_id       bigint NOT NULL,
    version         bigint NOT NULL,
    first_position  bigint NOT NULL,
    first_time      timestamptz NOT NULL,
    last_position   bigint NOT NULL,
    last_time       timestamptz NOT NULL,
    tenant          text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL,
    cron            text NOT NULL,
    session         text COLLATE "C",
    time_zone       text NOT NULL,
    priority        integer NOT NULL,
    catch_up        text NOT NULL,
    catch_up_max    bigint NOT NULL,
    late_s          double precision NOT NULL,
    overlap         text NOT NULL,
    jitter_s        double precision NOT NULL,
    is_set          boolean NOT NULL,
    paused          boolean NOT NULL,
    description     text,
    set_version     bigint,
    changed_version bigint,
    next_tick       timestamptz,
    due_at          timestamptz,
    last_tick       timestamptz,
    last_item       text COLLATE "C",
    fired           bigint NOT NULL,
    skipped         bigint NOT NULL,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70);

-- What is due, in order.
CREATE INDEX schedules_due ON {schema}.schedules (tenant, due_at) WHERE due_at IS NOT NULL;

-- The list, in order.
CREATE INDEX schedules_by_key ON {schema}.schedules (tenant, key) WHERE is_set;

COMMENT ON TABLE {schema}.schedules IS 'Schedules: what they are and when each is due. One row per schedule stream; what a tick puts in the queue is in the log.';
COMMENT ON COLUMN {schema}.schedules.session IS 'key of the session whose queue it fills; NULL: for anybody';
COMMENT ON COLUMN {schema}.schedules.late_s IS 'a tick this old is no longer in time, and catch_up says what becomes of it';
COMMENT ON COLUMN {schema}.schedules.is_set IS 'false: it was deleted';
COMMENT ON COLUMN {schema}.schedules.set_version IS 'version, in its stream, of the event that says what it is';
COMMENT ON COLUMN {schema}.schedules.changed_version IS 'version, in its stream, of the last event that changed, paused or resumed it';
COMMENT ON COLUMN {schema}.schedules.next_tick IS 'what the next tick is for';
COMMENT ON COLUMN {schema}.schedules.due_at IS 'when it may be fired: next_tick and its jitter; NULL: there is none';
COMMENT ON COLUMN {schema}.schedules.last_item IS 'the queue item of the last tick';
COMMENT ON COLUMN {schema}.schedules.fired IS 'ticks and turns so far';
COMMENT ON COLUMN {schema}.schedules.skipped IS 'how often ticks were left out';
