-- Pairings: which peer may talk on which channel, and who waits to. One row per pairing stream.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.pairings (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    channel        text COLLATE "C" NOT NULL,
    peer           text COLLATE "C" NOT NULL,
    status         text COLLATE "C" NOT NULL,
    code           text,
    expires_at     timestamptz,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70);

-- Who is approved on a channel, in order, without looking at anybody else.
CREATE INDEX pairings_by_channel ON {schema}.pairings (tenant, channel, status, peer);

COMMENT ON TABLE {schema}.pairings IS 'Pairings: which peer may talk on which channel, and who waits to. One row per pairing stream.';
COMMENT ON COLUMN {schema}.pairings.key IS 'channel and peer, escaped and joined by a colon';
COMMENT ON COLUMN {schema}.pairings.status IS 'pending, approved or removed';
COMMENT ON COLUMN {schema}.pairings.code IS 'what the peer has to show, while it is pending';
COMMENT ON COLUMN {schema}.pairings.expires_at IS 'a pending request is over then; NULL: never';
