-- Whether the server waits for the disk when it commits: 'on' or 'off'.
SELECT current_setting('fsync') AS fsync
