-- How many streams there are of each kind.
SELECT s.kind, count(*) AS count FROM {schema}.streams AS s GROUP BY s.kind
