-- Adds rows to the tail.
--   {table}    name of the table
--   {columns}  its columns
--   {rows}     what reads them
insert into tail.{table} select {columns} from {rows}
