-- The key of the job that a callback token ends.
--   $1 tenant    text
--   $2 callback  text  SHA-256 of the token, in hex
SELECT j.key FROM {schema}.external_jobs AS j WHERE j.tenant = $1 AND j.callback = $2
