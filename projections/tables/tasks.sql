-- Tasks: status, claim, retries, limits. One row per task stream; messages, replies and results are in the log.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.tasks (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    queue            text COLLATE "C" NOT NULL,
    session          text COLLATE "C",
    status           text NOT NULL,
    priority         integer NOT NULL,
    run_at           timestamptz,
    expires_at       timestamptz,
    dedup            text COLLATE "C",
    lane             text COLLATE "C",
    lane_running_max bigint,
    lane_rate_max    double precision,
    lane_rate_s      double precision,
    retries_max      bigint NOT NULL,
    backoff_s        double precision NOT NULL,
    worker           text,
    lease_s          double precision,
    lease            text,
    claim            bigint,
    attempts         bigint NOT NULL,
    retries          bigint NOT NULL,
    releases         bigint NOT NULL,
    turn             bigint NOT NULL,
    merged           bigint NOT NULL,
    notified         boolean NOT NULL,
    reason           text,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- What may be claimed next, by priority and then by when it is due.
CREATE INDEX tasks_ready ON {schema}.tasks (tenant, queue, (-priority::bigint), (coalesce(run_at, first_time)), first_position)
WHERE status = 'pending' AND lane IS NULL;

-- The same by lane: from one lane to the next is one step, however long the lines are.
CREATE INDEX tasks_in_lanes ON {schema}.tasks (tenant, queue, (-priority::bigint), lane, (coalesce(run_at, first_time)), first_position)
WHERE status = 'pending' AND lane IS NOT NULL;

CREATE INDEX tasks_running_in_lane ON {schema}.tasks (tenant, lane) WHERE status = 'running' AND lane IS NOT NULL;

-- Lists by status, and whose lease may be over. Not of what is completed: that is nearly all of them.
CREATE INDEX tasks_by_status ON {schema}.tasks (tenant, status, stream_id) WHERE status <> 'completed';

CREATE INDEX tasks_alike ON {schema}.tasks (tenant, dedup) WHERE status = 'pending' AND dedup IS NOT NULL;

CREATE INDEX tasks_of_session ON {schema}.tasks (tenant, session, first_position) WHERE status = 'pending' AND session IS NOT NULL;

CREATE INDEX tasks_expiring ON {schema}.tasks (tenant, expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;

COMMENT ON TABLE {schema}.tasks IS 'Tasks: status, claim, retries, limits. One row per task stream; messages, replies and results are in the log.';
COMMENT ON COLUMN {schema}.tasks.queue IS 'which workers it is for';
COMMENT ON COLUMN {schema}.tasks.session IS 'key of the session it belongs to, if any';
COMMENT ON COLUMN {schema}.tasks.status IS 'pending, running, completed, dead, cancelled or expired; at last_time, when finished';
COMMENT ON COLUMN {schema}.tasks.priority IS 'higher goes first; then what is due first';
COMMENT ON COLUMN {schema}.tasks.run_at IS 'not before; NULL: first_time';
COMMENT ON COLUMN {schema}.tasks.expires_at IS 'when it still waits by then, it is not done any more';
COMMENT ON COLUMN {schema}.tasks.dedup IS 'digest of session and content, where equal ones are to wait once';
COMMENT ON COLUMN {schema}.tasks.lane IS 'name under which tasks share limits';
COMMENT ON COLUMN {schema}.tasks.lane_running_max IS 'so many run in the lane at a time';
COMMENT ON COLUMN {schema}.tasks.lane_rate_max IS 'so many begin in lane_rate_s';
COMMENT ON COLUMN {schema}.tasks.retries_max IS 'failures after which it is tried again';
COMMENT ON COLUMN {schema}.tasks.worker IS 'who has it, or had it when it was finished';
COMMENT ON COLUMN {schema}.tasks.lease_s IS 'the claim is over at last_time + lease_s; NULL: see lease';
COMMENT ON COLUMN {schema}.tasks.lease IS 'the claim holds as long as this row of leases is renewed; NULL: see lease_s; both NULL: until it is finished';
COMMENT ON COLUMN {schema}.tasks.claim IS 'stream version of the claim: its event is the fencing token';
COMMENT ON COLUMN {schema}.tasks.attempts IS 'claims so far';
COMMENT ON COLUMN {schema}.tasks.retries IS 'failures since it was enqueued or revived';
COMMENT ON COLUMN {schema}.tasks.releases IS 'claims that ended without a verdict: the process died, the agent did not fail';
COMMENT ON COLUMN {schema}.tasks.turn IS 'the last turn the agent told of';
COMMENT ON COLUMN {schema}.tasks.merged IS 'how often messages joined it while it waited';
COMMENT ON COLUMN {schema}.tasks.notified IS 'whoever waited was told how it ended';
COMMENT ON COLUMN {schema}.tasks.reason IS 'why it failed, died, was cancelled or released';
