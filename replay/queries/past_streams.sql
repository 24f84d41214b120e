-- A table like that of the streams, for this connection alone: the past goes into it.
CREATE TEMPORARY TABLE streams (LIKE {schema}.streams INCLUDING INDEXES)
