-- Forbid changes of a table of the log again.
--   {table}  events or streams
ALTER TABLE {schema}.{table} ENABLE TRIGGER USER
