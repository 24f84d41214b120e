-- One pairing, approved or pending; what has expired is not pending.
--   $1 tenant text, $2 key text (of the stream)
SELECT p.channel, p.peer, p.tenant, p.status, p.code, p.expires_at, p.version, p.last_time AS since_time
  FROM {schema}.streams AS s
  JOIN {schema}.pairings AS p ON p.stream_id = s.id
 WHERE s.tenant = $1 AND s.kind = 'pairing' AND s.key = $2
   AND (p.status = 'approved' OR p.status = 'pending' AND (p.expires_at IS NULL OR p.expires_at > now()))
