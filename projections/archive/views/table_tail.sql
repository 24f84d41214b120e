-- The rows above the archive's last position.
--   {table}    name of the table
--   {types}    its columns with their types
create table tail.{table} ({types})
