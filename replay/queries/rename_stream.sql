-- Give a stream the identity its events say it has.
--   $1 id bigint, $2 tenant text, $3 kind text, $4 key text
UPDATE {schema}.streams SET tenant = $2, kind = $3, key = $4 WHERE id = $1
