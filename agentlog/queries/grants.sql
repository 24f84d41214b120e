-- Grants that are neither revoked nor expired, in order of agent and app, as a keyset page.
--   $1 tenant       text
--   $2 first_agent  text     of the agents from this one …
--   $3 last_agent   text     … to this one
--   $4 after_agent  text     behind this agent …
--   $5 after_app    text     … and app
--   $6 limit        integer
SELECT g.agent, g.app, g.tenant, g.decision, g.details::text AS details, g.expires_at, g.version,
       g.last_time AS granted_time
  FROM {schema}.grants AS g
 WHERE g.tenant = $1 AND g.agent >= $2 AND g.agent <= $3 AND (g.agent, g.app) > ($4, $5)
   AND g.decision IS NOT NULL AND (g.expires_at IS NULL OR g.expires_at > now())
 ORDER BY g.agent, g.app
 LIMIT $6
