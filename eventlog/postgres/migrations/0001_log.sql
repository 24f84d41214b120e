-- The log itself: its head, its streams, its events, and what guards them.
-- Projection tables are not here: each projection brings its own (projections/tables/).

-- Where the log stands. One row, changed only under the gate (see functions/append.sql).
CREATE TABLE {schema}.head (
    singleton   boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    log_id      uuid        NOT NULL DEFAULT gen_random_uuid(),
    position    bigint      NOT NULL DEFAULT 0,
    time        timestamptz NOT NULL DEFAULT 'epoch',
    chain       bytea       NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    epoch       integer     NOT NULL DEFAULT 1,
    projections text        NOT NULL DEFAULT ''
) WITH (fillfactor = 10);
COMMENT ON COLUMN {schema}.head.epoch IS 'grows when the log is restored or repaired; writers of an older epoch are refused';
COMMENT ON COLUMN {schema}.head.projections IS 'inline projections and the versions of their folds, e.g. conversations:1,sessions:1';
INSERT INTO {schema}.head DEFAULT VALUES;

-- One row per stream: its identity and its version. Unpartitioned, so that versions stay unique
-- whatever becomes of the events table.
CREATE TABLE {schema}.streams (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant  text   COLLATE "C" NOT NULL,
    kind    text   COLLATE "C" NOT NULL,
    key     text   COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    UNIQUE (tenant, kind, key)
) WITH (fillfactor = 70);

-- One row per event: the same bytes as its line in the segments (docs/formats/event.md).
CREATE TABLE {schema}.events (
    position    bigint      PRIMARY KEY,
    stream_id   bigint      NOT NULL,
    version     bigint      NOT NULL,
    type        text        NOT NULL,
    schema      smallint    NOT NULL,
    id          uuid        NOT NULL,
    time        timestamptz NOT NULL,
    occurred_at timestamptz,
    encoding    text,
    compressed  boolean     NOT NULL,
    data        bytea       NOT NULL,
    meta        bytea       NOT NULL,
    hash        bytea       NOT NULL,
    chain       bytea,
    UNIQUE (stream_id, version)
);
-- The client compresses; the server's own compression is the dearest part of an append.
ALTER TABLE {schema}.events ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE {schema}.events ALTER COLUMN meta SET STORAGE EXTERNAL;
ALTER TABLE {schema}.events SET (autovacuum_vacuum_insert_scale_factor = 0.05);
COMMENT ON COLUMN {schema}.events.data IS 'JSON as on the line; zstd when compressed';
COMMENT ON COLUMN {schema}.events.hash IS 'SHA-256 of what was said, without its place';
COMMENT ON COLUMN {schema}.events.chain IS 'SHA-256 chain up to here; in the last row of each batch';

-- Results of commands that carried an idempotency key.
CREATE TABLE {schema}.idempotency_keys (
    tenant         text        COLLATE "C" NOT NULL,
    key            text        COLLATE "C" NOT NULL,
    first_position bigint      NOT NULL,
    event_count    integer     NOT NULL,
    expires_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_keys_expires_at ON {schema}.idempotency_keys (expires_at);

-- One row per local segment directory: how far it is known to be synced. The witness of a
-- directory that lost its tail.
CREATE TABLE {schema}.mirrors (
    id               uuid        PRIMARY KEY,
    directory        text        NOT NULL,
    durable_position bigint      NOT NULL,
    marked_at        timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'AL001', HINT = 'repairs go through agentlog repair and agentlog restore';
END $$;

CREATE TRIGGER events_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.events
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();
CREATE TRIGGER streams_stay BEFORE DELETE OR TRUNCATE ON {schema}.streams
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();
CREATE TRIGGER head_stays BEFORE DELETE OR TRUNCATE ON {schema}.head
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();

REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC;
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;
