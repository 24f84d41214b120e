-- How many jobs stand in each status and state of delivery.
--   $1 tenant text
SELECT j.status, j.delivery, count(*) AS count
FROM {schema}.external_jobs AS j
WHERE j.tenant = $1 AND j.status <> 'deleted'
GROUP BY j.status, j.delivery
