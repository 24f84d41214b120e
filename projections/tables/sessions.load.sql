-- The state of `sessions` for each of some streams; a stream without one is absent.
--   $1  bigint[]  stream ids
-- The time zone of the connection must not show in the text: times are written in UTC.
SELECT wanted.stream_id, to_json(newest)::text AS state
FROM unnest($1::bigint[]) AS wanted (stream_id)
CROSS JOIN LATERAL (
    SELECT t.title, t.agent, t.model, t.mode, t.state, t.parent, t.source, t.directory, t.git_branch,
           t.tool_version,
           to_char(t.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS expires_at,
           t.error, t.config, t.session_type, t.permissions, t.static_context_hash,
           to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at
    FROM {schema}.sessions AS t
    WHERE t.stream_id = wanted.stream_id
) AS newest;
