-- Aliases in the order of their names, as a keyset page.
--   $1 tenant   text
--   $2 session  text     those of that session; NULL for all
--   $3 after    text     alias that the page comes after; NULL for the first page
--   $4 limit    integer
SELECT a.key, a.session
FROM {schema}.aliases AS a
WHERE a.tenant = $1
    AND a.session IS NOT NULL
    AND ($2::text IS NULL OR a.session = $2)
    AND ($3::text IS NULL OR a.key > $3)
ORDER BY a.key
LIMIT $4
