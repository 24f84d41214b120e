-- The head, and how much stands around it: rows of events, their last position, versions of streams.
SELECT h.position AS head, h.log_id, h.chain, h.projections,
       (SELECT count(*) FROM {schema}.events) AS rows,
       (SELECT coalesce(max(e.position), 0) FROM {schema}.events e) AS last,
       (SELECT coalesce(sum(s.version), 0)::bigint FROM {schema}.streams s) AS versions
  FROM (SELECT 1) AS one LEFT JOIN {schema}.head h ON true
