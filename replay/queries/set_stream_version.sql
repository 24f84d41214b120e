-- Put streams at the version of their last event.
--   $1 ids bigint[], $2 versions bigint[]
UPDATE {schema}.streams s SET version = i.version
  FROM unnest($1::bigint[], $2::bigint[]) AS i(id, version) WHERE s.id = i.id
