-- The stream version of every schedule that ever was.
--   $1 tenant text
SELECT s.key, s.version FROM {schema}.streams AS s WHERE s.tenant = $1 AND s.kind = 'schedule'
