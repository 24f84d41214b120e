-- A session's events from where its active window begins, or after a version; and where its stream ends.
-- One row with no event when there is none. Only events that change a window bring their data.
-- There is one row of streams, so the order of the inner query stands; to sort again took a tenth of the time.
--   $1 tenant text, $2 session key text
--   $3 after  bigint   versions greater than this; NULL: from where the active window begins
--   $4 limit  integer
--   $5 types  text[]   of events that change a window
SELECT s.version AS end_version, e.version, e.position,
       (extract(epoch FROM e.time) * 1000000)::bigint AS time_us,
       (extract(epoch FROM e.occurred_at) * 1000000)::bigint AS occurred_us,
       e.type, e.schema, e.encoding, e.compressed, e.data
FROM {schema}.streams AS s
LEFT JOIN {schema}.conversations AS c ON c.stream_id = s.id
LEFT JOIN LATERAL (
    SELECT n.version, n.position, n.time, n.occurred_at, n.type, n.schema, n.encoding, n.compressed,
           CASE WHEN n.type = ANY ($5::text[]) THEN n.data END AS data
    FROM {schema}.events AS n
    WHERE n.stream_id = s.id AND n.version > coalesce($3::bigint, coalesce(c.window_start, 1) - 1)
    ORDER BY n.version
    LIMIT $4
) AS e ON true
WHERE s.tenant = $1 AND s.kind = 'session' AND s.key = $2
