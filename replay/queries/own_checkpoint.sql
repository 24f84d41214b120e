-- How far one has followed. Whoever asks first moves it on; others wait.
--   $1 name text
SELECT c.version, c.position FROM {own}.checkpoints c WHERE c.name = $1 FOR UPDATE
