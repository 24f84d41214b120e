-- Plans of sessions: the newest is current, unless it was cleared. One row per plan stream.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.plans (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    session        text COLLATE "C" NOT NULL,
    plan_id        text COLLATE "C" NOT NULL,
    name           text,
    content        text NOT NULL,
    status         text NOT NULL,
    error          text,
    created_at     timestamptz,
    approved_at    timestamptz,
    started_at     timestamptz,
    completed_at   timestamptz,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70);

-- A session's plans, the newest first. In order of the log: two may have been made in the same instant.
CREATE INDEX plans_by_session ON {schema}.plans (tenant, session, first_position);

COMMENT ON TABLE {schema}.plans IS 'Plans of sessions: the newest is current, unless it was cleared. One row per plan stream.';
COMMENT ON COLUMN {schema}.plans.key IS 'session and plan id, escaped and joined by a colon';
COMMENT ON COLUMN {schema}.plans.status IS 'draft, approved, executing, completed, failed, cleared, or the agent''s own word';
COMMENT ON COLUMN {schema}.plans.error IS 'why it failed';
COMMENT ON COLUMN {schema}.plans.created_at IS 'the times are those of whoever wrote the events; NULL: unknown, or not yet';
COMMENT ON COLUMN {schema}.plans.completed_at IS 'when it was completed or failed';
