-- Drop idempotency keys whose lifetime is over, of one tenant or (NULL) of all, at most p_limit of them, the
-- oldest first; return how many.
-- A function, so that a role that may only append needs no right to write tables.
CREATE OR REPLACE FUNCTION {schema}.forget_keys(p_tenant text, p_limit integer) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
    WITH dropped AS (
        DELETE FROM {schema}.idempotency_keys t
         WHERE t.ctid = ANY (ARRAY(SELECT o.ctid FROM {schema}.idempotency_keys o
                                    WHERE o.expires_at < now() AND (p_tenant IS NULL OR o.tenant = p_tenant)
                                    ORDER BY o.expires_at LIMIT p_limit
                                      FOR UPDATE SKIP LOCKED))
        RETURNING 1
    )
    SELECT count(*) FROM dropped
$body$;
