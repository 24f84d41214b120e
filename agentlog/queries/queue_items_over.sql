-- Claimed items whose claim is over: nobody renewed its lease, or its time is up.
--   $1 tenant  text
--   $2 limit   integer
SELECT q.key, s.version
FROM {schema}.queue_items AS q
JOIN {schema}.streams AS s ON s.id = q.stream_id
WHERE q.tenant = $1 AND q.status = 'claimed' AND {schema}.is_over(q.lease, q.last_time, q.lease_s)
LIMIT $2
