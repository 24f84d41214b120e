-- The folds that the store remembers (eventlog/projection.py, signature).
SELECT projections FROM {schema}.head
