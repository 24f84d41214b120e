-- Up to where this connection looks into the log, and the time that it is there. One row.
CREATE TEMPORARY TABLE moment (position bigint NOT NULL, time timestamptz NOT NULL)
