-- Where the log stands.
SELECT log_id, position, (extract(epoch FROM time) * 1000000)::bigint AS time_us, chain, epoch, projections
  FROM {schema}.head
