-- Queue items as they stand, oldest first, as a keyset page. `token` is the position of the claim.
--   $1 tenant   text
--   $2 key      text    one item; NULL for all
--   $3 session  text    items of that session; NULL for all
--   $4 status   text    items in that status; NULL for all
--   $5 after    bigint  stream id that the page comes after; NULL for the first page
--   $6 limit    integer
SELECT
    q.stream_id, q.key, q.tenant, q.session, q.status, q.priority, q.worker, q.attempts, q.reason, q.lease_s,
    q.claim, e.position AS token, q.session_version, q.merged, q.operation, q.first_time AS enqueued_time,
    q.last_time,
    CASE WHEN q.status NOT IN ('pending', 'claimed') THEN q.last_time END AS processed_time
FROM {schema}.queue_items AS q
LEFT JOIN {schema}.events AS e ON e.stream_id = q.stream_id AND e.version = q.claim
WHERE q.tenant = $1
    AND ($2::text IS NULL OR q.stream_id = (
        SELECT i.id FROM {schema}.streams AS i WHERE i.tenant = $1 AND i.kind = 'queue_item' AND i.key = $2))
    AND ($3::text IS NULL OR q.session = $3)
    AND ($4::text IS NULL OR q.status = $4)
    AND ($5::bigint IS NULL OR q.stream_id > $5)
ORDER BY q.stream_id
LIMIT $6
