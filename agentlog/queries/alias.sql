-- The session an alias stands for; no row when it stands for none.
--   $1 tenant text, $2 alias text
SELECT a.session
FROM {schema}.aliases AS a
WHERE a.session IS NOT NULL AND a.stream_id = (
    SELECT i.id FROM {schema}.streams AS i WHERE i.tenant = $1 AND i.kind = 'session_alias' AND i.key = $2)
