-- Remember which folds the tables hold.
--   $1 text  their names and versions (eventlog/projection.py, signature)
UPDATE {schema}.head SET projections = $1
