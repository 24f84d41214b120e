-- Tell who listens on a channel something.
--   $1 channel text, $2 what text
SELECT pg_notify($1, $2)
