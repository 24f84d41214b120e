-- End a lease now, and clear away those that were over a day ago.
--   $1 id  text
DELETE FROM {schema}.leases WHERE id = $1 OR expires_at < now() - interval '1 day'
