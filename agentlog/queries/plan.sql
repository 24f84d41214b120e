-- One plan, also one that was cleared.
--   $1 tenant text, $2 key text (of the stream)
SELECT p.session, p.plan_id, p.tenant, p.name, p.content, p.status, p.error,
       p.created_at, p.approved_at, p.started_at, p.completed_at, p.version, p.last_time
  FROM {schema}.streams AS s
  JOIN {schema}.plans AS p ON p.stream_id = s.id
 WHERE s.tenant = $1 AND s.kind = 'plan' AND s.key = $2
