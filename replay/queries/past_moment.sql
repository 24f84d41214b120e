-- Up to where this connection looks into the log. One row.
CREATE TEMPORARY TABLE moment (position bigint NOT NULL)
