-- Ids and versions of streams by identity; absent streams give no row.
--   $1 tenants text[], $2 kinds text[], $3 keys text[]
SELECT s.tenant, s.kind, s.key, s.id, s.version
  FROM unnest($1::text[], $2::text[], $3::text[]) AS i(tenant, kind, key)
  JOIN {schema}.streams s ON s.tenant = i.tenant AND s.kind = i.kind AND s.key = i.key
