-- One table of the archive while there are no files yet.
--   {table}    name of the table
--   {types}    its columns with their types
create table archived.{table} ({types})
