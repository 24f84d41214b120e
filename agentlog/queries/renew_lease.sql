-- Take a lease or renew it. Returns until when it holds.
--   $1 id       text
--   $2 holder   text              for people: host and process
--   $3 lease_s  double precision
INSERT INTO {schema}.leases AS l (id, holder, lease_s, expires_at)
VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (id) DO UPDATE SET lease_s = excluded.lease_s, expires_at = excluded.expires_at
RETURNING expires_at
