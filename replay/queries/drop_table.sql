-- Drop a projection's table, with the views on it.
--   {table}  filled in from the registered projection
DROP TABLE IF EXISTS {schema}.{table} CASCADE
