"""Local segment files: an exact, checksummed copy of the log on this host.

The file format stands in docs/formats/segment.md; `store.py` is the way in. Nothing here knows
Postgres, or what an event means.
"""
