-- Let some rows wait.
--   $1 text  their table
--   $2 json  an array of objects, fields named as the columns
INSERT INTO pg_temp.waiting_rows (name, rows) VALUES ($1, $2::json)
