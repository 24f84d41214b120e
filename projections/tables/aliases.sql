-- Aliases: other names for sessions. One row per alias stream; its key is the alias.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.aliases (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    session        text COLLATE "C",
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 90);

-- A tenant's aliases, page by page in the order of their names.
CREATE INDEX aliases_by_key ON {schema}.aliases (tenant, key);

CREATE INDEX aliases_by_session ON {schema}.aliases (tenant, session) WHERE session IS NOT NULL;

COMMENT ON TABLE {schema}.aliases IS 'Aliases: other names for sessions. One row per alias; its key is the alias.';
COMMENT ON COLUMN {schema}.aliases.session IS 'key of the session it stands for; NULL: it was removed';
