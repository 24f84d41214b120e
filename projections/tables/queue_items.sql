-- Items of session queues: status and holder. One row per item stream; the body is in the log.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.queue_items (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    session        text COLLATE "C",
    status         text NOT NULL,
    priority       integer NOT NULL,
    worker         text,
    attempts       bigint NOT NULL,
    reason         text,
    lease_s        double precision,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70);

CREATE INDEX queue_items_by_session ON {schema}.queue_items (tenant, session, status);

-- The next item for whoever asks, without walking over what is done.
CREATE INDEX queue_items_pending ON {schema}.queue_items (tenant, priority DESC, first_position) WHERE status = 'pending';

COMMENT ON TABLE {schema}.queue_items IS 'Items of session queues: status and holder. One row per item stream; the body is in the log.';
COMMENT ON COLUMN {schema}.queue_items.session IS 'key of the session the item waits for; NULL: any';
COMMENT ON COLUMN {schema}.queue_items.status IS 'pending, claimed, completed or cancelled';
COMMENT ON COLUMN {schema}.queue_items.priority IS 'higher goes first; then the lower first_position';
COMMENT ON COLUMN {schema}.queue_items.worker IS 'who has it, or had it when it was completed or cancelled';
COMMENT ON COLUMN {schema}.queue_items.attempts IS 'claims so far';
COMMENT ON COLUMN {schema}.queue_items.reason IS 'why it was cancelled';
COMMENT ON COLUMN {schema}.queue_items.lease_s IS 'the claim is over at last_time + lease_s; NULL: never';
