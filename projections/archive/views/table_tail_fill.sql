-- Fills the tail from staged rows.
--   {table}    name of the table
--   {columns}  its columns
--   {rows}     path of the staged NDJSON file
--   {struct}   columns and types, as read_json takes them
--   {object_bytes_max}  longest line, in bytes
insert into tail.{table} select {columns} from read_json(
    {rows}, format = 'newline_delimited', columns = {struct},
    maximum_object_size = {object_bytes_max})
