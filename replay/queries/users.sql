-- Other connections of agentlog to this database, by their last statement.
--   $1 text  a pattern that the statement matches; empty for any
SELECT coalesce(host(client_addr), 'this machine') AS address, backend_start AS since
  FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'agentlog'
   AND pid <> pg_backend_pid() AND query ~ $1
 ORDER BY backend_start
