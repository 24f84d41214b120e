-- Adds staged rows to the tail.
--   {table}    name of the table
--   {columns}  its columns
--   {rows}     what reads the staged rows
insert into tail.{table} select {columns} from {rows}
