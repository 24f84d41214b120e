"""The archive: Parquet files and DuckDB views over the whole log. No live state, no decisions."""

from projections.archive.archive import Archive, ArchiveStatus
from projections.archive.check import ArchiveFinding
from projections.archive.connection import Connection, Result
from projections.archive.filters import Filters
from projections.archive.named_query import NamedQuery, find_query, named_queries
from projections.archive.stopping import Stop

__all__ = [
    "Archive",
    "ArchiveFinding",
    "ArchiveStatus",
    "Connection",
    "Filters",
    "NamedQuery",
    "Result",
    "Stop",
    "find_query",
    "named_queries",
]
