-- Jobs at providers as they stand, oldest first, as a keyset page. Without those that were deleted.
--   $1 tenant   text
--   $2 key      text    one job; NULL for all
--   $3 session  text    jobs of that session; NULL for all
--   $4 status   text    jobs in that status; NULL for all
--   $5 after    bigint  stream id that the page comes after; NULL for the first page
--   $6 limit    integer
SELECT
    j.stream_id, j.key, j.tenant, j.provider, j.session, j.external_id, j.status, j.delivery,
    nullif(j.act_at, '0001-01-03 00:00:00+00') AS act_at, j.poll_interval_s, j.timeout_at, j.worker, j.claim_until,
    j.polls, j.poll_failures, j.deliveries, j.deliveries_unknown, j.deliveries_max, j.reason,
    j.first_time AS enqueued_time, j.last_time, e.position AS token, e.version AS claim,
    j.request_version, j.progress_version, j.result_version
FROM {schema}.external_jobs AS j
LEFT JOIN {schema}.events AS e ON e.stream_id = j.stream_id AND e.version =
    CASE WHEN j.status = 'polling' THEN j.poll_claim WHEN j.delivery = 'delivering' THEN j.delivery_claim END
WHERE j.tenant = $1 AND j.status <> 'deleted'
    AND ($2::text IS NULL OR j.stream_id = (
        SELECT i.id FROM {schema}.streams AS i WHERE i.tenant = $1 AND i.kind = 'external_job' AND i.key = $2))
    AND ($3::text IS NULL OR j.session = $3)
    AND ($4::text IS NULL OR j.status = $4)
    AND ($5::bigint IS NULL OR j.stream_id > $5)
ORDER BY j.stream_id
LIMIT $6
