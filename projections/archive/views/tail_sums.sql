-- Sums of the messages in the tail: those that were added up, and the newest, which are added up when they are read.
--   {table}    name of the table of sums
--   {columns}  its columns
--   {newest}   what adds up the newest messages
create or replace view tail.{table} as
select {columns} from tail.kept_{table}
union all
select {columns} from {newest}
