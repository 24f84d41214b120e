-- Move a checkpoint, in the transaction that writes the rows.
--   $1 name text, $2 version bigint, $3 position bigint
UPDATE {own}.checkpoints SET version = $2, position = $3 WHERE name = $1
