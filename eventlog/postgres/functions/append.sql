-- Append one batch: many commands in one round trip, each group of commands all or nothing.
--
-- A *group* is a set of commands connected by the streams they touch. The caller folded each
-- stream from the version it knows (the stamp); a group with a stamp that is no longer true is
-- refused whole, the others go through. Positions are contiguous over what is accepted.
--
--   s_*  one element per stream: group, identity, id (NULL: believed new), stamp, version after
--   k_*  one element per idempotency key: group, tenant, key, first ordinal, event count
--   e_*  one element per event, in order; hashes is the concatenation of their 32-byte hashes, and
--        contents of data and meta of each: at e_start (from 1), e_data and then e_meta bytes long
--   row_* one element per projection table that has rows: its name, its rows as a JSON array
--         (eventlog/projection.py)
--
-- mirror_position is how far the caller's segments are synced, NULL when that was told a moment ago.
--
-- Returns one row. Where groups were refused: their numbers, then the streams at fault (index,
-- true id and version) and the keys at fault (index, first position and count of the original).
CREATE OR REPLACE FUNCTION {schema}.append(
    s_group integer[], s_tenant text[], s_kind text[], s_key text[],
    s_id bigint[], s_version bigint[], s_after bigint[],
    k_group integer[], k_tenant text[], k_key text[], k_first integer[], k_count integer[], k_ttl interval,
    e_stream integer[], e_version bigint[], e_type text[], e_schema smallint[], e_id uuid[],
    e_occurred_at timestamptz[], e_encoding text[], e_compressed boolean[],
    e_start integer[], e_data integer[], e_meta integer[], contents bytea, hashes bytea, row_tables text[], row_texts text[],
    caller_epoch integer, caller_projections text, mirror uuid, mirror_position bigint,
    OUT first_position bigint, OUT time_us bigint, OUT chain_before bytea, OUT chain_after bytea,
    OUT stream_ids bigint[], OUT refused integer[],
    OUT stale integer[], OUT stale_id bigint[], OUT stale_version bigint[],
    OUT duplicate integer[], OUT duplicate_position bigint[], OUT duplicate_count integer[]
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Plans must hold without statistics: generic, and by index (docs/decisions/0002).
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
SET jit = off
AS $body$
#variable_conflict use_column
DECLARE
    gated       boolean;
    accepted_at timestamptz;
    rows        json;
    positions   bigint[];
    actual      bigint[];
    last        bigint;
    chain       bytea;
    head_epoch  integer;
    head_projections text;
BEGIN
    -- The gate, as a statement of its own: what follows reads with a snapshot taken after it.
    -- Assigned and not PERFORMed: a plain expression costs a fifth of a query.
    gated := pg_advisory_xact_lock({gate}) IS NULL;
    IF current_setting('synchronous_commit') <> 'on' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    SELECT h.position, h.chain, greatest(clock_timestamp(), h.time), h.epoch, h.projections
      INTO last, chain, accepted_at, head_epoch, head_projections FROM {schema}.head h;
    IF head_epoch <> caller_epoch OR head_projections <> caller_projections THEN
        RAISE EXCEPTION 'epoch % with projections "%", not epoch % with "%"',
            head_epoch, head_projections, caller_epoch, caller_projections USING ERRCODE = 'AL002';
    END IF;

    IF array_position(s_id, NULL) IS NULL THEN
        stream_ids := s_id;
        SELECT array_agg(coalesce(s.version, 0) ORDER BY i.n) INTO actual
          FROM unnest(s_id) WITH ORDINALITY AS i(id, n) LEFT JOIN {schema}.streams s ON s.id = i.id;
    ELSE
        SELECT array_agg(s.id ORDER BY i.n), array_agg(coalesce(s.version, 0) ORDER BY i.n)
          INTO stream_ids, actual
          FROM unnest(s_tenant, s_kind, s_key) WITH ORDINALITY AS i(tenant, kind, key, n)
          LEFT JOIN {schema}.streams s ON s.tenant = i.tenant AND s.kind = i.kind AND s.key = i.key;
    END IF;
    IF actual <> s_version THEN
        SELECT array_agg(i.n ORDER BY i.n), array_agg(stream_ids[i.n] ORDER BY i.n),
               array_agg(actual[i.n] ORDER BY i.n), array_agg(DISTINCT s_group[i.n])
          INTO stale, stale_id, stale_version, refused
          FROM generate_subscripts(s_version, 1) AS i(n) WHERE actual[i.n] <> s_version[i.n];
    END IF;
    IF cardinality(k_key) > 0 THEN
        SELECT array_agg(i.n ORDER BY i.n), array_agg(k.first_position ORDER BY i.n),
               array_agg(k.event_count ORDER BY i.n), coalesce(refused, '{}') || array_agg(DISTINCT k_group[i.n])
          INTO duplicate, duplicate_position, duplicate_count, refused
          FROM unnest(k_tenant, k_key) WITH ORDINALITY AS i(tenant, key, n)
          JOIN {schema}.idempotency_keys k ON k.tenant = i.tenant AND k.key = i.key
         WHERE k.expires_at > accepted_at
        HAVING count(*) > 0 OR refused IS NOT NULL;
    END IF;

    first_position := last + 1;
    time_us := (extract(epoch FROM accepted_at) * 1000000)::bigint;
    chain_before := chain;
    FOR i IN 1 .. cardinality(e_stream) LOOP
        IF s_group[e_stream[i]] = ANY (refused) THEN
            positions[i] := NULL;
        ELSE
            last := last + 1;
            positions[i] := last;
            chain := sha256(chain || int8send(last) || int8send(e_version[i]) || int8send(time_us)
                            || substring(hashes FROM i * 32 - 31 FOR 32));
        END IF;
    END LOOP;
    chain_after := chain;
    IF last < first_position THEN
        RETURN;
    END IF;

    IF array_position(stream_ids, NULL) IS NOT NULL THEN
        INSERT INTO {schema}.streams (tenant, kind, key, version)
        SELECT i.tenant, i.kind, i.key, i.after
          FROM unnest(s_tenant, s_kind, s_key, s_after, stream_ids, s_group) AS i(tenant, kind, key, after, id, grp)
         WHERE i.id IS NULL AND i.after > 0 AND (i.grp = ANY (refused)) IS NOT TRUE;
        SELECT array_agg(s.id ORDER BY i.n) INTO stream_ids
          FROM unnest(s_tenant, s_kind, s_key) WITH ORDINALITY AS i(tenant, kind, key, n)
          LEFT JOIN {schema}.streams s ON s.tenant = i.tenant AND s.kind = i.kind AND s.key = i.key;
    END IF;
    UPDATE {schema}.streams s SET version = i.after
      FROM unnest(stream_ids, s_version, s_after, s_group) AS i(id, version, after, grp)
     WHERE s.id = i.id AND i.version > 0 AND i.after > i.version AND (i.grp = ANY (refused)) IS NOT TRUE;

    INSERT INTO {schema}.events
    SELECT positions[e.n], stream_ids[e.stream], e.version, e.type, e.schema, e.id, accepted_at, e.occurred_at,
           e.encoding, e.compressed, substring(contents FROM e.start FOR e.data),
           substring(contents FROM e.start + e.data FOR e.meta), substring(hashes FROM e.n::integer * 32 - 31 FOR 32),
           CASE WHEN positions[e.n] = last THEN chain END
      FROM unnest(e_stream, e_version, e_type, e_schema, e_id, e_occurred_at, e_encoding, e_compressed,
                  e_start, e_data, e_meta) WITH ORDINALITY
           AS e(stream, version, type, schema, id, occurred_at, encoding, compressed, start, data, meta, n)
     WHERE positions[e.n] IS NOT NULL;

    IF cardinality(k_key) > 0 THEN
        INSERT INTO {schema}.idempotency_keys AS t (tenant, key, first_position, event_count, expires_at)
        SELECT k.tenant, k.key, positions[k.first], k.count, accepted_at + k_ttl
          FROM unnest(k_tenant, k_key, k_first, k_count) AS k(tenant, key, first, count)
         WHERE positions[k.first] IS NOT NULL
        ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE
           SET first_position = excluded.first_position, event_count = excluded.event_count,
               expires_at = excluded.expires_at;
        -- Whoever adds keys clears away more than it adds, so that there are never many of the past.
        DELETE FROM {schema}.idempotency_keys t
         WHERE t.ctid = ANY (ARRAY(SELECT o.ctid FROM {schema}.idempotency_keys o
                                    WHERE o.expires_at < accepted_at
                                    ORDER BY o.expires_at LIMIT 2 * cardinality(k_key)));
    END IF;

{upserts}

    UPDATE {schema}.head SET position = last, time = accepted_at, chain = chain_after;
    IF mirror_position IS NOT NULL THEN
        UPDATE {schema}.mirrors m SET durable_position = mirror_position, marked_at = accepted_at
         WHERE m.id = mirror AND m.durable_position < mirror_position;
    END IF;
END $body$;
