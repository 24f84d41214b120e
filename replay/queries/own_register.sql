-- Register one at the beginning of the log, unless it is known.
--   $1 name text, $2 version bigint
INSERT INTO {own}.checkpoints (name, version, position) VALUES ($1, $2, 0) ON CONFLICT (name) DO NOTHING
