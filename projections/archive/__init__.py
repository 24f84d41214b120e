"""The archive: Parquet files and DuckDB views over the whole log. No live state, no decisions."""

from projections.archive.archive import Archive
from projections.archive.check import Finding
from projections.archive.connection import Connection, Result
from projections.archive.named_query import NamedQuery, find_query, named_queries

__all__ = ["Archive", "Connection", "Finding", "NamedQuery", "Result", "find_query", "named_queries"]
