-- Pairings of one status on a channel, in order of the peers, as a keyset page, without those that have expired.
--   $1 tenant   text
--   $2 channel  text
--   $3 status   text
--   $4 after    text     peers behind this one
--   $5 limit    integer
SELECT p.channel, p.peer, p.tenant, p.status, p.code, p.expires_at, p.version, p.last_time AS since_time
  FROM {schema}.pairings AS p
 WHERE p.tenant = $1 AND p.channel = $2 AND p.status = $3 AND p.peer > $4
   AND (p.expires_at IS NULL OR p.expires_at > now())
 ORDER BY p.peer
 LIMIT $5
