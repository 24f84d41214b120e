-- The state of `pairings` for each of some streams; a stream without one is absent.
--   $1  bigint[]  stream ids
-- The time zone of the connection must not show in the text: times are written in UTC.
SELECT wanted.stream_id, to_json(newest)::text AS state
FROM unnest($1::bigint[]) AS wanted (stream_id)
CROSS JOIN LATERAL (
    SELECT t.channel, t.peer, t.status, t.code,
        to_char(t.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS expires_at
    FROM {schema}.pairings AS t
    WHERE t.stream_id = wanted.stream_id
) AS newest;
