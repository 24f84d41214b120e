-- A namespace's keys without their values, in order, as a keyset page.
--   $1 tenant     text
--   $2 namespace  text
--   $3 prefix     text     keys from this one on
--   $4 end        text     up to, without, this one
--   $5 after      text     and behind this one
--   $6 limit      integer
SELECT k.name AS key, k.namespace, k.tenant, k.value_version AS version, k.last_position AS position,
       k.last_time AS set_time, k.expires_at
  FROM {schema}.key_values k
 WHERE k.tenant = $1 AND k.namespace = $2 AND k.name >= $3 AND k.name < $4 AND k.name > $5
   AND k.is_set AND (k.expires_at IS NULL OR k.expires_at > now())
 ORDER BY k.name
 LIMIT $6
