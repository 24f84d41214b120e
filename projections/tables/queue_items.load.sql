-- The state of `queue_items` for each of some streams; a stream without one is absent.
--   $1  bigint[]  stream ids
SELECT wanted.stream_id, to_json(newest)::text AS state
FROM unnest($1::bigint[]) AS wanted (stream_id)
CROSS JOIN LATERAL (
    SELECT
        t.session, t.status, t.priority, t.worker, t.attempts, t.reason, t.lease_s, t.lease, t.claim,
        t.session_version, t.merged, t.operation
    FROM {schema}.queue_items AS t
    WHERE t.stream_id = wanted.stream_id
) AS newest;
