-- Compactions of conversations. One row per compaction, number 1 first; its summary is in `summaries`.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.compactions (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    number            bigint NOT NULL,
    trigger           text,
    tokens_before     bigint,
    tokens_after      bigint,
    tokens_saved      bigint,
    messages_before   bigint,
    messages_after    bigint,
    logical_parent_id text,
    message_id        text,
    PRIMARY KEY (stream_id, number)
) WITH (fillfactor = 100);

COMMENT ON TABLE {schema}.compactions IS 'Compactions of conversations. One row per compaction, number 1 first; its summary is in summaries, same version.';
COMMENT ON COLUMN {schema}.compactions.messages_before IS 'messages in the window before; messages_after: and after';
COMMENT ON COLUMN {schema}.compactions.logical_parent_id IS 'last message before the compaction';
COMMENT ON COLUMN {schema}.compactions.message_id IS 'id of the source''s boundary record';
