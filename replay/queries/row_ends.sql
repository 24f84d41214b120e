-- How far the rows of events go. Rows further on than twice what either copy can hold, or below 1,
-- stand where no event can: a damaged number is not walked to.
--   $1 segments end bigint   the last position of the segments
WITH counted AS (
    SELECT 2 * greatest(count(*), $1::bigint) + 20000 AS believable FROM {schema}.events
)
SELECT believable,
       coalesce((SELECT max(e.position) FROM {schema}.events e WHERE e.position BETWEEN 1 AND believable), 0) AS last,
       coalesce((SELECT array_agg(e.position ORDER BY e.position) FROM {schema}.events e
                  WHERE e.position NOT BETWEEN 1 AND believable), '{}') AS strays
  FROM counted
