"""Postgres killed, stopped, paused and restarted under load. Commands are in __main__.py."""
