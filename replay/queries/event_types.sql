-- The types of events that stand in the log, by the version of their shape.
SELECT e.type, e.schema, count(*) AS events, min(e.position) AS first_position, max(e.position) AS last_position
  FROM {schema}.events e
 GROUP BY e.type, e.schema
 ORDER BY e.type, e.schema
