-- Jobs at providers: status, claims and when to act. One row per job stream; requests and results are in the log.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.external_jobs (
    stream_id          bigint NOT NULL,
    version            bigint NOT NULL,
    first_position     bigint NOT NULL,
    first_time         timestamptz NOT NULL,
    last_position      bigint NOT NULL,
    last_time          timestamptz NOT NULL,
    tenant             text COLLATE "C" NOT NULL,
    key                text COLLATE "C" NOT NULL,
    provider           text COLLATE "C" NOT NULL,
    session            text COLLATE "C",
    external_id        text,
    status             text NOT NULL,
    delivery           text NOT NULL,
    act_at             timestamptz,
    poll_at            timestamptz,
    poll_interval_s    double precision NOT NULL,
    timeout_at         timestamptz,
    worker             text,
    claim_until        timestamptz,
    poll_claim         bigint,
    polls              bigint NOT NULL,
    poll_failures      bigint NOT NULL,
    delivery_claim     bigint,
    deliver_at         timestamptz,
    deliveries         bigint NOT NULL,
    deliveries_unknown bigint NOT NULL,
    deliveries_max     bigint NOT NULL,
    callback           text COLLATE "C",
    reason             text,
    request_version    bigint,
    progress_version   bigint,
    result_version     bigint,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70);

-- What is due, polls and deliveries apart, in order, without walking over what is finished.
CREATE INDEX external_jobs_due ON {schema}.external_jobs (tenant, (delivery <> 'none'), act_at) WHERE act_at IS NOT NULL;

-- Who shows a callback token.
CREATE INDEX external_jobs_by_callback ON {schema}.external_jobs (tenant, callback) WHERE callback IS NOT NULL;

-- What is finished, the oldest first, for the clean-up.
CREATE INDEX external_jobs_finished ON {schema}.external_jobs (tenant, last_time) WHERE status IN ('completed', 'failed', 'timed_out', 'cancelled');

COMMENT ON TABLE {schema}.external_jobs IS 'Jobs at providers: status, claims and when to act. One row per job stream; requests and results are in the log.';
COMMENT ON COLUMN {schema}.external_jobs.session IS 'key of the session that waits for it; NULL: none';
COMMENT ON COLUMN {schema}.external_jobs.external_id IS 'what the provider calls it';
COMMENT ON COLUMN {schema}.external_jobs.status IS 'pending, polling, completed, failed, timed_out, cancelled or deleted';
COMMENT ON COLUMN {schema}.external_jobs.delivery IS 'none, waiting, delivering, delivered or given_up';
COMMENT ON COLUMN {schema}.external_jobs.act_at IS 'somebody has to poll, deliver or time it out from then on; the year 1: at once; NULL: nobody';
COMMENT ON COLUMN {schema}.external_jobs.worker IS 'who has claimed a poll or a delivery';
COMMENT ON COLUMN {schema}.external_jobs.claim_until IS 'the claim is over then';
COMMENT ON COLUMN {schema}.external_jobs.poll_claim IS 'version, in its stream, of the newest claim of a poll';
COMMENT ON COLUMN {schema}.external_jobs.delivery_claim IS 'version, in its stream, of the newest claim of a delivery';
COMMENT ON COLUMN {schema}.external_jobs.polls IS 'polls begun';
COMMENT ON COLUMN {schema}.external_jobs.poll_failures IS 'polls in a row that did not reach the provider';
COMMENT ON COLUMN {schema}.external_jobs.deliveries IS 'deliveries begun';
COMMENT ON COLUMN {schema}.external_jobs.deliveries_unknown IS 'deliveries begun of which nobody said how they ended';
COMMENT ON COLUMN {schema}.external_jobs.callback IS 'SHA-256 of the callback token, in hex';
COMMENT ON COLUMN {schema}.external_jobs.reason IS 'why it failed, was cancelled or deleted; or of the last attempt that failed';
