-- How many tasks stand in each status.
--   $1 tenant   text
--   $2 session  text  tasks of that session; NULL for all
SELECT t.status, count(*) AS count
FROM {schema}.tasks AS t
WHERE t.tenant = $1 AND ($2::text IS NULL OR t.session = $2)
GROUP BY t.status
