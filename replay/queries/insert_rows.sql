-- Write rows of one projection table as the log says they are.
--   {table}, {columns}   filled in from the registered projection
--   $1  json  an array of objects, fields named as the columns
INSERT INTO {schema}.{table} ({columns})
SELECT {columns} FROM json_populate_recordset(NULL::{schema}.{table}, $1::json)
