-- Write the rows of `sessions` that one batch changed. Part of the append function; over its variables:
--   rows                json: [{"s", "f", "l", "version", …state}], of this table; s, f, l are 1-based
--   stream_ids          by s: the stream's id
--   s_tenant, s_key     by s: its identity
--   positions           by f and l: of the first and last event of the row; NULL where it was refused
--   accepted_at         the batch's time
INSERT INTO {schema}.sessions AS t (
    stream_id, version, first_position, first_time, last_position, last_time, tenant, key,
    title, agent, model, mode, state, parent, source, directory, git_branch, tool_version, expires_at,
    error, config, session_type, permissions, static_context_hash, created_at
)
SELECT
    stream_ids[r.s], r.version, positions[r.f], accepted_at, positions[r.l], accepted_at,
    s_tenant[r.s], s_key[r.s],
    r.title, r.agent, r.model, r.mode, r.state, r.parent, r.source, r.directory, r.git_branch,
    r.tool_version, r.expires_at, r.error, r.config, r.session_type, r.permissions,
    r.static_context_hash, r.created_at
FROM json_to_recordset(rows) AS r (
    s integer, f integer, l integer, version bigint,
    title text, agent text, model text, mode text, state text, parent text, source text, directory text,
    git_branch text, tool_version text, expires_at timestamptz, error text, config json,
    session_type text, permissions json, static_context_hash text, created_at timestamptz
)
WHERE positions[r.l] IS NOT NULL
ON CONFLICT (stream_id) DO UPDATE SET
    version = excluded.version,
    last_position = excluded.last_position,
    last_time = excluded.last_time,
    title = excluded.title,
    agent = excluded.agent,
    model = excluded.model,
    mode = excluded.mode,
    state = excluded.state,
    parent = excluded.parent,
    source = excluded.source,
    directory = excluded.directory,
    git_branch = excluded.git_branch,
    tool_version = excluded.tool_version,
    expires_at = excluded.expires_at,
    error = excluded.error,
    config = excluded.config,
    session_type = excluded.session_type,
    permissions = excluded.permissions,
    static_context_hash = excluded.static_context_hash,
    created_at = excluded.created_at;
