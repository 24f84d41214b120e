-- A session's plans, also those that were cleared, the newest first, as a keyset page.
--   $1 tenant   text
--   $2 session  text
--   $3 before   bigint   made before this position
--   $4 limit    integer
SELECT p.session, p.plan_id, p.tenant, p.name, p.content, p.status, p.error,
       p.created_at, p.approved_at, p.started_at, p.completed_at, p.version, p.last_time
  FROM {schema}.plans AS p
 WHERE p.tenant = $1 AND p.session = $2 AND p.first_position < $3
 ORDER BY p.first_position DESC
 LIMIT $4
