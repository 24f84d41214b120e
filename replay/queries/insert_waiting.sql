-- Move the rows of one projection table that wait into it.
--   {table}, {columns}   filled in from the registered projection
--   $1  text  the table
INSERT INTO {schema}.{table} ({columns})
SELECT {columns}
  FROM pg_temp.waiting_rows AS waiting (waiting_for, waiting_rows)
 CROSS JOIN LATERAL json_populate_recordset(NULL::{schema}.{table}, waiting_rows)
 WHERE waiting_for = $1
