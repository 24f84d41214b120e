-- The highest position that has a row; 0 for an empty log.
SELECT coalesce(max(position), 0) AS position FROM {schema}.events
