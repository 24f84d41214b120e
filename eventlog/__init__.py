"""The log: one order of events over all hosts, in Postgres and in local files. Knows what no event means."""
