-- How often a whole set of schedules was put in place. One row per tenant that ever did.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.schedule_lists (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    replaced       bigint NOT NULL,
    schedules      bigint NOT NULL,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70);

COMMENT ON TABLE {schema}.schedule_lists IS 'How often a whole set of schedules was put in place. One row per tenant that ever did.';
COMMENT ON COLUMN {schema}.schedule_lists.replaced IS 'how often so far';
COMMENT ON COLUMN {schema}.schedule_lists.schedules IS 'of how many schedules the last set was';
