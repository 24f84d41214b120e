-- How many sessions a Postgres session store holds.
SELECT count(*) FROM "{prefix}sessions"
