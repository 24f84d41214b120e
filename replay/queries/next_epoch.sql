-- Begin a new epoch: whoever holds states from before must read them anew.
UPDATE {schema}.head SET epoch = epoch + 1
