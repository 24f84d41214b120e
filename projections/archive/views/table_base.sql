-- What the views below are made of, for a connection that may see every tenant.
--   {table}    name of the table
create view base.{table} as select * from whole.{table}
