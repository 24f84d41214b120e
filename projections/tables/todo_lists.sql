-- Todo lists: the latest of each session.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.todo_lists (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    total          bigint NOT NULL,
    completed      bigint NOT NULL,
    in_progress    bigint NOT NULL,
    pending        bigint NOT NULL,
    todos          jsonb NOT NULL,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70);

COMMENT ON TABLE {schema}.todo_lists IS 'Todo lists: the latest of each session.';
COMMENT ON COLUMN {schema}.todo_lists.total IS 'todos of any status';
COMMENT ON COLUMN {schema}.todo_lists.todos IS 'array of content, status, active_form, id, plan_id, created_at, started_at, completed_at';
