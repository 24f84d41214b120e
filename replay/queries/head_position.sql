-- The position the log stands at.
SELECT position FROM {schema}.head
