-- Generations of sessions: what /new starts. One row per generation, the highest is current.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.generations (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    generation     bigint NOT NULL,
    first_message  bigint NOT NULL,
    reason         text,
    PRIMARY KEY (stream_id, generation)
) WITH (fillfactor = 100);

COMMENT ON TABLE {schema}.generations IS 'Generations of sessions: what /new starts. One row per generation, the highest is current.';
COMMENT ON COLUMN {schema}.generations.first_message IS 'how many messages the session had before it';
