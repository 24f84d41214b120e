-- Staged rows of one table, as a part of a FROM.
--   {rows}     path of the staged NDJSON file
--   {struct}   columns and types, as read_json takes them
--   {object_bytes_max}  longest line, in bytes
read_json({rows}, format = 'newline_delimited', columns = {struct}, maximum_object_size = {object_bytes_max})
