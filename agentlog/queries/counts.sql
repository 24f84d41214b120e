-- How much there is: sessions by state, messages, generations.
--   $1 tenant  text  NULL for all tenants
SELECT
    (SELECT count(*) FROM {schema}.sessions AS s
      WHERE ($1::text IS NULL OR s.tenant = $1) AND s.state <> 'deleted') AS sessions,
    (SELECT coalesce(sum(c.message_count), 0)::bigint FROM {schema}.conversations AS c
      WHERE $1::text IS NULL OR c.tenant = $1) AS messages,
    (SELECT count(*) FROM {schema}.generations AS g
      WHERE $1::text IS NULL OR g.tenant = $1) AS generations
