-- Let a table of the log be changed, in this transaction: repair alone does so.
--   {table}  events or streams
ALTER TABLE {schema}.{table} DISABLE TRIGGER USER
