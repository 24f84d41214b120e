-- Sessions: what each is, and its state. One row per session stream.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.sessions (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    title          text,
    agent          text,
    model          text,
    mode           text,
    state          text NOT NULL,
    parent         text COLLATE "C",
    source         text,
    directory      text,
    git_branch     text,
    tool_version   text,
    expires_at     timestamptz,
    error          text,
    config         json,
    session_type   text,
    permissions    json,
    static_context_hash text,
    created_at     timestamptz,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70);

-- A tenant's sessions, page by page. The state is no part of it: most sessions are in the same one.
CREATE INDEX sessions_by_tenant ON {schema}.sessions (tenant, stream_id);

CREATE INDEX sessions_by_parent ON {schema}.sessions (tenant, parent) WHERE parent IS NOT NULL;

CREATE INDEX sessions_by_expiry ON {schema}.sessions (expires_at) WHERE expires_at IS NOT NULL;

COMMENT ON TABLE {schema}.sessions IS 'Sessions: what each is, and its state. One row per session stream.';
COMMENT ON COLUMN {schema}.sessions.state IS 'active, ended, deleted, or an agent''s own word';
COMMENT ON COLUMN {schema}.sessions.parent IS 'key of the session this one came from';
COMMENT ON COLUMN {schema}.sessions.source IS 'where an imported session comes from, e.g. claude-code';
COMMENT ON COLUMN {schema}.sessions.expires_at IS 'when the session may be ended; nothing happens by itself';
COMMENT ON COLUMN {schema}.sessions.config IS 'as given, to the digit: json, not jsonb, which rewrites numbers';
COMMENT ON COLUMN {schema}.sessions.session_type IS 'main, subagent, …: the agent''s own word';
COMMENT ON COLUMN {schema}.sessions.created_at IS 'when its source says that it began; NULL: when the log first heard of it';
