-- Conversations: sums over a session's messages. One row per session stream, written with every message.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
-- No index but the primary key: with any other on a column that a message changes, no update
-- would stay on its page (HOT), and each message would write every index.
CREATE TABLE {schema}.conversations (
    stream_id            bigint NOT NULL,
    version              bigint NOT NULL,
    first_position       bigint NOT NULL,
    first_time           timestamptz NOT NULL,
    last_position        bigint NOT NULL,
    last_time            timestamptz NOT NULL,
    tenant               text COLLATE "C" NOT NULL,
    key                  text COLLATE "C" NOT NULL,
    message_count        bigint NOT NULL,
    window_start         bigint NOT NULL,
    window_message_count bigint NOT NULL,
    compaction_count     bigint NOT NULL,
    last_message_id      text,
    last_role            text,
    last_model           text,
    input_tokens         bigint NOT NULL,
    output_tokens        bigint NOT NULL,
    cache_read_tokens    bigint NOT NULL,
    cache_write_tokens   bigint NOT NULL,
    reasoning_tokens     bigint NOT NULL,
    cost                 numeric NOT NULL,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 50);

COMMENT ON TABLE {schema}.conversations IS 'Conversations: sums over a session''s messages. One row per session stream, written with every message.';
COMMENT ON COLUMN {schema}.conversations.message_count IS 'of all generations, sidechains included';
COMMENT ON COLUMN {schema}.conversations.window_start IS 'stream version of the event that opened the active window; the window is every message from there on';
COMMENT ON COLUMN {schema}.conversations.last_message_id IS 'latest message that is not in a sidechain';
COMMENT ON COLUMN {schema}.conversations.last_model IS 'latest model a message named';
COMMENT ON COLUMN {schema}.conversations.input_tokens IS 'each API response counted once';
