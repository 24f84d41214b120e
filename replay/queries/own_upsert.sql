-- Write the rows that some events changed; where a row began is kept.
--   $1 json  an array of objects, fields named as the columns
INSERT INTO {own}.{table} ({columns})
SELECT {columns} FROM json_populate_recordset(NULL::{own}.{table}, $1::json)
ON CONFLICT (stream_id) DO UPDATE SET {changes}
