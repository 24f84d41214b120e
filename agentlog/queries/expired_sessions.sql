-- Sessions whose time is over: past their own expiry or, if they have none, not heard of for long.
--   $1 tenant          text              NULL for all tenants
--   $2 retention_days  double precision  NULL: only those past their own expiry
--   $3 after           bigint            stream id that the page comes after; 0 for the first page
--   $4 limit           integer
SELECT s.stream_id, s.tenant, s.key, i.version
FROM {schema}.sessions AS s
JOIN {schema}.streams AS i ON i.id = s.stream_id
WHERE s.stream_id > $3
    AND ($1::text IS NULL OR s.tenant = $1)
    AND s.state <> 'deleted'
    AND CASE
        WHEN s.expires_at IS NOT NULL THEN s.expires_at < now()
        WHEN $2::double precision IS NULL THEN false
        -- Of any event: a session may be used without its row, or its conversation's, being written.
        ELSE (
            SELECT e.time FROM {schema}.events AS e WHERE e.stream_id = s.stream_id AND e.version = i.version
        ) < now() - make_interval(secs => $2::double precision * 86400)
    END
ORDER BY s.stream_id
LIMIT $4
