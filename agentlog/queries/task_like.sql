-- What waits under a rule, at one moment: the oldest pending task with that digest, or else of that session; one row
-- without a task, where there is none. `rule_version` is that of the rule's stream.
--   $1 tenant   text
--   $2 rule     text  key of the rule's `task_key` stream
--   $3 dedup    text  digest; NULL: any task of the session
--   $4 session  text
SELECT coalesce(r.version, 0) AS rule_version, t.key, s.version
FROM (VALUES ($1::text, $2::text)) AS wanted (tenant, rule)
LEFT JOIN {schema}.streams AS r ON r.tenant = wanted.tenant AND r.kind = 'task_key' AND r.key = wanted.rule
LEFT JOIN LATERAL (
    (
        SELECT d.stream_id, d.key FROM {schema}.tasks AS d
        WHERE d.tenant = $1 AND d.status = 'pending' AND d.dedup = $3
        LIMIT 1
    )
    UNION ALL
    (
        SELECT d.stream_id, d.key FROM {schema}.tasks AS d
        WHERE d.tenant = $1 AND d.status = 'pending' AND d.session = $4 AND $3::text IS NULL
        ORDER BY d.first_position
        LIMIT 1
    )
) AS t ON true
LEFT JOIN {schema}.streams AS s ON s.id = t.stream_id
LIMIT 1
