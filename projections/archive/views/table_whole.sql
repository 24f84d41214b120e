-- One table over all tenants: archive and tail. Prepared queries read it, user SQL cannot name it.
--   {table}    name of the table
--   {columns}  its columns
create view whole.{table} as
select {columns} from archived.{table}
union all
select {columns} from tail.{table}
