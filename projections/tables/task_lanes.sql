-- What is left of the rate limits of lanes of tasks. One row per lane stream.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.task_lanes (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    tokens         double precision,
    at             timestamptz,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

COMMENT ON TABLE {schema}.task_lanes IS 'What is left of the rate limits of lanes of tasks. One row per lane stream.';
COMMENT ON COLUMN {schema}.task_lanes.tokens IS 'claims that may be made at once, as of at';
COMMENT ON COLUMN {schema}.task_lanes.at IS 'by the server''s clock, when the last claim was decided';
