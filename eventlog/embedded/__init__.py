"""Postgres without an administrator: initdb, start, share, stop. Does nothing when a URL is given."""
