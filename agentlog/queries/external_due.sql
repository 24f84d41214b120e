-- Jobs that somebody has to act on, the longest due first. Takes no lock: who acts claims first, with `version`
-- as the expected version.
--   $1 tenant     text
--   $2 moment     timestamptz  what is due by then; NULL: by now
--   $3 delivery   boolean      what is to be delivered; false: what is to be polled, or has timed out
--   $4 limit      integer
SELECT j.key, s.version, coalesce($2::timestamptz, now()) AS moment, j.timeout_at
FROM {schema}.external_jobs AS j
JOIN {schema}.streams AS s ON s.id = j.stream_id
WHERE j.tenant = $1 AND (j.delivery <> 'none') = $3::boolean
    AND j.act_at <= coalesce($2::timestamptz, now())
ORDER BY j.act_at, j.stream_id
LIMIT $4
