-- The schema and its record of migrations; harmless when both exist.
CREATE SCHEMA IF NOT EXISTS {schema};
COMMENT ON SCHEMA {schema} IS 'agentlog: an append-only event log and its projections';
CREATE TABLE IF NOT EXISTS {schema}.migrations (
    number     integer     PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
