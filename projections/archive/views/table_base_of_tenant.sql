-- What the views below are made of, for a connection of one tenant. The limit is a barrier: the
-- optimizer moves no expression of the user below it, so none is ever evaluated on rows of other
-- tenants (an error message of such an expression would show them).
--   {table}    name of the table
--   {tenant}   the tenant
create view base.{table} as
select * from whole.{table} where tenant = {tenant} limit 9223372036854775807
