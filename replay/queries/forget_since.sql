-- The time before which a command's idempotency key may be forgotten, as it stands on a line.
--   $1 lifetime interval
SELECT to_char((now() - $1::interval) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time
