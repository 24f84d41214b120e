-- Forget the rows that wait.
TRUNCATE pg_temp.waiting_rows
