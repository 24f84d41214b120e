-- One grant that is neither revoked nor expired.
--   $1 tenant text, $2 key text (of the stream)
SELECT g.agent, g.app, g.tenant, g.decision, g.details::text AS details, g.expires_at, g.version,
       g.last_time AS granted_time
  FROM {schema}.streams AS s
  JOIN {schema}.grants AS g ON g.stream_id = s.id
 WHERE s.tenant = $1 AND s.kind = 'grant' AND s.key = $2
   AND g.decision IS NOT NULL AND (g.expires_at IS NULL OR g.expires_at > now())
