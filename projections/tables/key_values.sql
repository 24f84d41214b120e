-- Keys and where their values stand. One row per key stream; the value is in the log, in the event value_version.
-- The first eight columns are filled by the log (eventlog/projection.py), the others by projections/.
CREATE TABLE {schema}.key_values (
    stream_id      bigint NOT NULL,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    first_time     timestamptz NOT NULL,
    last_position  bigint NOT NULL,
    last_time      timestamptz NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    namespace      text COLLATE "C" NOT NULL,
    name           text COLLATE "C" NOT NULL,
    is_set         boolean NOT NULL,
    value_version  bigint,
    expires_at     timestamptz,
    PRIMARY KEY (stream_id)
) WITH (fillfactor = 70);

-- The keys of a namespace in order, by prefix, without those that were deleted. Setting a key again changes nothing of it.
CREATE INDEX key_values_by_name ON {schema}.key_values (tenant, namespace, name) WHERE is_set;

COMMENT ON TABLE {schema}.key_values IS 'Keys and where their values stand. One row per key stream; the value is in the log, in the event value_version.';
COMMENT ON COLUMN {schema}.key_values.key IS 'namespace and name, escaped and joined by a colon';
COMMENT ON COLUMN {schema}.key_values.name IS 'the key within its namespace';
COMMENT ON COLUMN {schema}.key_values.is_set IS 'false: it was deleted';
COMMENT ON COLUMN {schema}.key_values.value_version IS 'version, in its stream, of the event with the value';
COMMENT ON COLUMN {schema}.key_values.expires_at IS 'there is no value from then on; NULL: never';
