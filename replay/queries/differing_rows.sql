-- Rows of one projection table that are not what the log says, among some streams.
-- Both sides are compared as text, column by column of the fold: what a person reads is what counts.
--   {table}, {columns}, {same_key}, {range}   filled in from the registered projection
--   $1       json      the rows the log says, an array of objects
--   $2 (…$3) as {range} wants them: which streams
SELECT row_to_json(live)::text AS live, row_to_json(said)::text AS said
  FROM (SELECT {columns} FROM json_populate_recordset(NULL::{schema}.{table}, $1::json)) AS said
  FULL JOIN (SELECT {columns} FROM {schema}.{table} WHERE {range}) AS live ON {same_key}
 WHERE said::text IS DISTINCT FROM live::text
