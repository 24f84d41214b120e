-- Jobs that nobody has to act on any more, and that nothing has happened to for a time; the oldest first.
--   $1 tenant       text
--   $2 moment       timestamptz       the time to go by; NULL: now
--   $3 retention_s  double precision  for so long
--   $4 limit        integer
SELECT j.key, s.version
FROM {schema}.external_jobs AS j
JOIN {schema}.streams AS s ON s.id = j.stream_id
WHERE j.tenant = $1 AND j.status IN ('completed', 'failed', 'timed_out', 'cancelled') AND j.act_at IS NULL
    AND (j.delivery <> 'delivering' OR j.claim_until <= coalesce($2::timestamptz, now()))
    AND j.last_time <= coalesce($2::timestamptz, now()) - make_interval(secs => $3)
ORDER BY j.last_time
LIMIT $4
