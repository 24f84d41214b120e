-- Empty the tables of the past, for another moment.
--   {tables}  all of them, as this connection names them
TRUNCATE {tables}
