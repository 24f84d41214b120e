-- Take the gate: nobody appends until this transaction ends.
--   $1 bigint  the log's gate key (eventlog/postgres/sql.py)
SELECT pg_advisory_xact_lock($1)
