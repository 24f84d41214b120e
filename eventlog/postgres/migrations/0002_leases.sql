-- Who is alive. Operational and not part of the log: no event says so, a rebuild does not touch it, and where it is
-- lost all leases are over. What is held under a lease that is over returns to whoever looks.
--
-- One row per process, renewed by one UPDATE that changes no index (HOT), however much the process holds.
CREATE TABLE {schema}.leases (
    id         text             PRIMARY KEY,
    holder     text             NOT NULL,
    lease_s    double precision NOT NULL,
    taken_at   timestamptz      NOT NULL DEFAULT now(),
    expires_at timestamptz      NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE {schema}.leases IS 'Processes that hold claims, and until when they are known to live. Not derived from the log.';
COMMENT ON COLUMN {schema}.leases.expires_at IS 'by the server''s clock; a server that was away gives everybody lease_s from its start';

-- Whether what is held under a lease, or for a time of its own, is free again.
--   lease    text              id of a row above; NULL: it is held for held_s
--   since    timestamptz       when it was taken, or last heard of
--   held_s   double precision  seconds it is held for; NULL: by the lease alone
CREATE FUNCTION {schema}.is_over(lease text, since timestamptz, held_s double precision) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(since + make_interval(secs => held_s) <= now(), false)
        OR (lease IS NOT NULL AND NOT EXISTS (
            SELECT FROM {schema}.leases AS l
            WHERE l.id = lease
              AND greatest(l.expires_at, pg_postmaster_start_time() + make_interval(secs => l.lease_s)) > now()))
$$;

REVOKE ALL ON {schema}.leases FROM PUBLIC;
REVOKE ALL ON FUNCTION {schema}.is_over FROM PUBLIC;
