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
    session         text COLLATE "C",
    status          text NOT NULL,
    priority        integer NOT NULL,
    worker          text,
    attempts        bigint NOT NULL,
    reason          text,
    lease_s         double precision,
    lease           text,
    claim           bigint,
    session_version bigint,
    merged          bigint NOT NULL,
    operation       text,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX queue_items_by_session ON {schema}.queue_items (tenant, session, status);

-- The head of each session's line: from one session to the next is one step, however long the lines are.
CREATE INDEX queue_items_in_line ON {schema}.queue_items (tenant, (-priority::bigint), session, first_position)
WHERE status = 'pending' AND session IS NOT NULL;

-- The line of one session.
CREATE INDEX queue_items_of_session ON {schema}.queue_items (tenant, session, (-priority::bigint), first_position)
WHERE status = 'pending';

-- What waits for anybody.
CREATE INDEX queue_items_for_any ON {schema}.queue_items (tenant, (-priority::bigint), first_position)
WHERE status = 'pending' AND session IS NULL;

-- Who is being worked for, and whose lease may be over.
CREATE INDEX queue_items_claimed ON {schema}.queue_items (tenant, session) WHERE status = 'claimed';

COMMENT ON TABLE {schema}.queue_items IS 'Items of session queues: status and holder. One row per item stream; the body is in the log.';
COMMENT ON COLUMN {schema}.queue_items.session IS 'key of the session it waits for; NULL: any';
COMMENT ON COLUMN {schema}.queue_items.status IS 'pending, claimed, completed, failed, cancelled, interrupted or rolled_back; at last_time, when finished';
COMMENT ON COLUMN {schema}.queue_items.priority IS 'higher goes first; then the lower first_position';
COMMENT ON COLUMN {schema}.queue_items.worker IS 'who has it, or had it when it was finished';
COMMENT ON COLUMN {schema}.queue_items.attempts IS 'claims so far';
COMMENT ON COLUMN {schema}.queue_items.reason IS 'why it failed, was cancelled or released; what interrupted it';
COMMENT ON COLUMN {schema}.queue_items.lease_s IS 'the claim is over at last_time + lease_s; NULL: see lease';
COMMENT ON COLUMN {schema}.queue_items.lease IS 'the claim holds as long as this row of leases is renewed; NULL: see lease_s; both NULL: until it is finished';
COMMENT ON COLUMN {schema}.queue_items.claim IS 'stream version of the claim: its event is the fencing token';
COMMENT ON COLUMN {schema}.queue_items.session_version IS 'where the session stood when it was claimed';
COMMENT ON COLUMN {schema}.queue_items.merged IS 'messages that joined it while it waited';
COMMENT ON COLUMN {schema}.queue_items.operation IS 'the enqueuer''s word for what is to be done';
