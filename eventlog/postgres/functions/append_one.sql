-- Append one event to one stream: the same as append() for a writer that has nothing else to do,
-- without arrays to build and take apart (p50 of a lone agent, benchmarks/append.py).
--
-- The stream is at version p_version with id p_stream_id, or new when p_stream_id is NULL.
-- When that is no longer true, nothing is written and stale_version says where it stands.
CREATE OR REPLACE FUNCTION {schema}.append_one(
    p_stream_id bigint, p_tenant text, p_kind text, p_key text, p_version bigint,
    p_type text, p_schema smallint, p_id uuid, p_occurred_at timestamptz, p_encoding text,
    p_compressed boolean, p_data bytea, p_meta bytea, p_hash bytea,
    row_tables text[], row_texts text[],
    caller_epoch integer, caller_projections text, mirror uuid, mirror_position bigint,
    OUT first_position bigint, OUT time_us bigint, OUT chain_before bytea, OUT chain_after bytea,
    OUT stream_id bigint, OUT stale_version bigint
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET jit = off
AS $body$
#variable_conflict use_column
DECLARE
    gated       boolean;
    accepted_at timestamptz;
    rows        json;
    head_epoch  integer;
    head_projections text;
    positions   bigint[];
    stream_ids  bigint[];
    s_tenant    text[];
    s_key       text[];
BEGIN
    -- Assigned and not PERFORMed: a plain expression costs a fifth of a query.
    gated := pg_advisory_xact_lock({gate}) IS NULL;
    IF current_setting('synchronous_commit') <> 'on' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    SELECT h.position + 1, h.chain, greatest(clock_timestamp(), h.time), h.epoch, h.projections
      INTO first_position, chain_before, accepted_at, head_epoch, head_projections FROM {schema}.head h;
    IF head_epoch <> caller_epoch OR head_projections <> caller_projections THEN
        RAISE EXCEPTION 'epoch % with projections "%", not epoch % with "%"',
            head_epoch, head_projections, caller_epoch, caller_projections USING ERRCODE = 'AL002';
    END IF;

    IF p_version > 0 THEN
        UPDATE {schema}.streams s SET version = p_version + 1 WHERE s.id = p_stream_id AND s.version = p_version;
        stream_id := p_stream_id;
    ELSE
        INSERT INTO {schema}.streams (tenant, kind, key, version) VALUES (p_tenant, p_kind, p_key, 1)
        ON CONFLICT ON CONSTRAINT streams_tenant_kind_key_key DO NOTHING RETURNING id INTO stream_id;
    END IF;
    IF NOT FOUND THEN
        SELECT s.id, s.version INTO stream_id, stale_version FROM {schema}.streams s
         WHERE s.tenant = p_tenant AND s.kind = p_kind AND s.key = p_key;
        stale_version := coalesce(stale_version, 0);
        RETURN;
    END IF;

    time_us := (extract(epoch FROM accepted_at) * 1000000)::bigint;
    chain_after := sha256(chain_before || int8send(first_position) || int8send(p_version + 1)
                          || int8send(time_us) || p_hash);
    INSERT INTO {schema}.events VALUES (
        first_position, stream_id, p_version + 1, p_type, p_schema, p_id, accepted_at, p_occurred_at,
        p_encoding, p_compressed, p_data, p_meta, p_hash, chain_after);
    positions := ARRAY[first_position];
    stream_ids := ARRAY[stream_id];
    s_tenant := ARRAY[p_tenant];
    s_key := ARRAY[p_key];

{upserts}

    UPDATE {schema}.head SET position = first_position, time = accepted_at, chain = chain_after;
    IF mirror_position IS NOT NULL THEN
        UPDATE {schema}.mirrors m SET durable_position = mirror_position, marked_at = accepted_at
         WHERE m.id = mirror AND m.durable_position < mirror_position;
    END IF;
END $body$;
