-- Id and version of one stream; no row when it does not exist.
--   $1 tenant text, $2 kind text, $3 key text
SELECT id, version FROM {schema}.streams WHERE tenant = $1 AND kind = $2 AND key = $3
