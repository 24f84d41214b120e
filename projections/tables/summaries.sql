-- Summaries of conversations, by compaction or recorded. One row per summary, number 1 first.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.summaries (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    number         bigint NOT NULL,
    summary        text NOT NULL,
    trigger        text,
    tokens_before  bigint,
    tokens_after   bigint,
    leaf_id        text,
    PRIMARY KEY (stream_id, number)
) WITH (fillfactor = 100);

COMMENT ON TABLE {schema}.summaries IS 'Summaries of conversations, by compaction or recorded. One row per summary, number 1 first.';
COMMENT ON COLUMN {schema}.summaries.trigger IS 'what caused the compaction; NULL where nothing was compacted';
COMMENT ON COLUMN {schema}.summaries.leaf_id IS 'the last message it sums up';
