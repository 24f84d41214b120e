-- Tasks as they stand, oldest first, as a keyset page. `token` is the position of the claim.
--   $1 tenant   text
--   $2 key      text    one task; NULL for all
--   $3 session  text    tasks of that session; NULL for all
--   $4 status   text    tasks in that status; NULL for all
--   $5 after    bigint  stream id that the page comes after; NULL for the first page
--   $6 limit    integer
SELECT
    t.stream_id, t.key, t.tenant, t.queue, t.session, t.status, t.priority, t.run_at, t.expires_at, t.lane,
    t.retries_max, t.backoff_s, t.worker, t.attempts, t.retries, t.releases, t.turn, t.merged, t.notified,
    t.reason, t.claim, e.position AS token, t.first_time AS enqueued_time, t.last_time
FROM {schema}.tasks AS t
LEFT JOIN {schema}.events AS e ON e.stream_id = t.stream_id AND e.version = t.claim
WHERE t.tenant = $1
    AND ($2::text IS NULL OR t.stream_id = (
        SELECT i.id FROM {schema}.streams AS i WHERE i.tenant = $1 AND i.kind = 'task' AND i.key = $2))
    AND ($3::text IS NULL OR t.session = $3)
    AND ($4::text IS NULL OR t.status = $4)
    AND ($5::bigint IS NULL OR t.stream_id > $5)
ORDER BY t.stream_id
LIMIT $6
