-- How many schedules there are, how many of them are paused, how many have a tick that is due, and what they did.
--   $1 tenant text
SELECT
    count(*) AS schedules,
    count(*) FILTER (WHERE s.paused) AS paused,
    count(*) FILTER (WHERE s.due_at <= now()) AS due,
    coalesce(sum(s.fired), 0)::bigint AS fired,
    coalesce(sum(s.skipped), 0)::bigint AS skipped
FROM {schema}.schedules AS s
WHERE s.tenant = $1 AND s.is_set
