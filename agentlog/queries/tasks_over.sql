-- Tasks that nobody holds any more (their lease, or their time, is over), and waiting ones that have expired.
--   $1 tenant  text
--   $2 limit   integer
(
    SELECT t.key, s.version, t.status, t.releases
    FROM {schema}.tasks AS t
    JOIN {schema}.streams AS s ON s.id = t.stream_id
    WHERE t.tenant = $1 AND t.status = 'running' AND {schema}.is_over(t.lease, t.last_time, t.lease_s)
    LIMIT $2
)
UNION ALL
(
    SELECT t.key, s.version, t.status, t.releases
    FROM {schema}.tasks AS t
    JOIN {schema}.streams AS s ON s.id = t.stream_id
    WHERE t.tenant = $1 AND t.status = 'pending' AND t.expires_at <= now()
    ORDER BY t.expires_at
    LIMIT $2
)
