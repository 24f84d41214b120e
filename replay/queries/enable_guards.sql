-- Forbid changes of the log again.
ALTER TABLE {schema}.events ENABLE TRIGGER USER;
ALTER TABLE {schema}.streams ENABLE TRIGGER USER
