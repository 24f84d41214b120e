"""The log in Postgres: schema, append function, connections, reads. Holds no noun; projections bring SQL."""
