-- Where rows of projection tables wait until all are there; gone with this connection.
CREATE TEMPORARY TABLE waiting_rows (name text NOT NULL, rows json NOT NULL)
