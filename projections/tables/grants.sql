-- Grants: what each agent may do with each app. One row per grant stream.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.grants (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    agent          text COLLATE "C" NOT NULL,
    app            text COLLATE "C" NOT NULL,
    decision       text,
    expires_at     timestamptz,
    details        json,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70);

-- A tenant's grants page by page, or one agent's.
CREATE INDEX grants_by_agent ON {schema}.grants (tenant, agent, app) WHERE decision IS NOT NULL;

COMMENT ON TABLE {schema}.grants IS 'Grants: what each agent may do with each app. One row per grant stream.';
COMMENT ON COLUMN {schema}.grants.key IS 'agent and app, escaped and joined by a colon';
COMMENT ON COLUMN {schema}.grants.decision IS 'a word of the agent''s own, e.g. allow_always; NULL: revoked';
COMMENT ON COLUMN {schema}.grants.expires_at IS 'there is no decision from then on; NULL: it stays';
COMMENT ON COLUMN {schema}.grants.details IS 'as given, to the digit: json, not jsonb, which rewrites numbers';
