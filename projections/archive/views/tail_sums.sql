-- Sums of the messages in the tail: those that are kept, and maybe those of the newest, added up when they are read.
--   {table}  name of the table of sums
--   {rows}   what reads them
create or replace view tail.{table} as {rows}
