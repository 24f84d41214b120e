-- The schema of projections that a user registered to follow the log.
CREATE SCHEMA IF NOT EXISTS {own}
