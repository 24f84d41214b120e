-- How long to wait for a lock of the server, until the transaction ends.
--   {timeout}  e.g. 200ms; 0: for ever
SET LOCAL lock_timeout = '{timeout}'
