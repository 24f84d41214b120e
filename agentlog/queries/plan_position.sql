-- Where a plan was made; no row when it never was.
--   $1 tenant text, $2 key text (of the stream)
SELECT p.first_position
  FROM {schema}.streams AS s
  JOIN {schema}.plans AS p ON p.stream_id = s.id
 WHERE s.tenant = $1 AND s.kind = 'plan' AND s.key = $2
