-- Let the log be changed, in this transaction: repair alone does so.
ALTER TABLE {schema}.events DISABLE TRIGGER USER;
ALTER TABLE {schema}.streams DISABLE TRIGGER USER
