-- Whether what is claimed is free again, as of the moment. Who was alive then is not in the log: what has no
-- time of its own counts as held.
--   lease    text              not looked at
--   since    timestamptz       when it was taken, or last heard of
--   held_s   double precision  seconds it is held for; NULL: by the lease alone
CREATE FUNCTION pg_temp.is_over(lease text, since timestamptz, held_s double precision) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(since + make_interval(secs => held_s) <= m.time, false) FROM pg_temp.moment AS m
$$
