-- How many queue items stand in each status.
--   $1 tenant   text  NULL for all tenants
--   $2 session  text  items of that session; NULL for all
SELECT q.status, count(*) AS count
FROM {schema}.queue_items AS q
WHERE ($1::text IS NULL OR q.tenant = $1) AND ($2::text IS NULL OR q.session = $2)
GROUP BY q.status
