"""A read-only session over the archive: user SQL and the prepared queries. Makes no rows, writes nothing.

What a connection sees is fixed when it is opened: Parquet files plus the tail up to a position.
User SQL is one SELECT (`guard.py`); besides, DuckDB itself is locked to the archive's own files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import duckdb

from eventlog.errors import BadInput, Closed
from projections.archive import duck
from projections.archive.columns import HIDDEN, MESSAGES, TABLES
from projections.archive.filters import NO_FILTERS, Filters, condition, expression, terms
from projections.archive.guard import check_query
from projections.archive.manifest import damaged
from projections.archive.named_query import find_query
from projections.archive.stopping import Stop

_FETCH_ROWS = 4096
_SHOWN = ", ".join(f'"{name}"' for name in TABLES[MESSAGES].columns if name not in HIDDEN)
POSITION_MAX = 2**63 - 1


class Connection:
    """Views over the archive and its tail, up to `position`. Close it, or use it in `with`.

    Attributes:
        position: the last position that is seen.
        tenant: the only tenant that is seen; None for all.
    Not for use by several threads at once, but for `interrupt`.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        position: int,
        tenant: str | None,
        timeout_s: float | None,
        stop: Stop,
        release: Callable[[], None],
    ) -> None:
        self.position = position
        self.tenant = tenant
        self._connection: duckdb.DuckDBPyConnection | None = connection
        self._timeout_s = timeout_s
        self._stop = stop
        self._release = release

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release DuckDB and its temporary files. Results are no longer readable."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            # Not kept: it holds on to what this session was opened on.
            release, self._release = self._release, lambda: None
            release()

    def interrupt(self) -> None:
        """Stop the query that runs, from any thread, and refuse those that come: they end with Closed."""
        self._stop.ask()

    def sql(self, query: str) -> Result:
        """Run one SELECT over the views (docs/reference/archive.md).

        Raises:
            BadInput: the query is no such SELECT, or DuckDB refuses it; nothing was changed.
        """
        check_query(self._open(), query)
        return self._run(query, None)

    def query(self, name: str, values: Mapping[str, Any]) -> Result:
        """Run a named query; `values` are its parameters, by name.

        Raises:
            BadInput: there is none of that name, or a value is none of its parameters; see `NamedQuery`.
        """
        query = find_query(name)
        return self._run(query.text, query.values(values))

    def stat(self, session: str, tenant: str) -> Result:
        """Messages, seq and position range, times and bytes of text, per generation."""
        return self._prepared("stat", tenant, session=session)

    def head(self, session: str, count: int, tenant: str, after: int = 0) -> Result:
        """The first `count` messages over all generations, of positions above `after`."""
        return self._prepared("head", tenant, session=session, count=_count(count), after=after)

    def tail(self, session: str, count: int, tenant: str, before: int | None = None) -> Result:
        """The last `count` messages over all generations, oldest first, of positions below `before`."""
        end = POSITION_MAX if before is None else before
        return self._prepared("tail", tenant, session=session, count=_count(count), before=end)

    def seq(self, session: str, generation: int, first: int, last: int, tenant: str) -> Result:
        """Messages `first` to `last` of one generation, both included; the first message is 0."""
        return self._prepared("seq", tenant, session=session, generation=generation, first=first, last=last)

    def timeline(self, session: str, count: int, tenant: str, after: int = 0) -> Result:
        """What happened in a session, oldest first: messages, and everything that changed it."""
        return self._prepared("timeline", tenant, session=session, count=_count(count), after=after)

    def grep(
        self,
        pattern: str,
        tenant: str,
        filters: Filters = NO_FILTERS,
        limit: int = 100,
        *,
        plain: bool = False,
        ignore_case: bool = False,
        around: int = 240,
    ) -> Result:
        """Messages in which the regular expression `pattern` (RE2) is found, oldest first.

        The last two columns are what stands before the place, and from it on, `around` characters each.
        """
        self._check_tenant(tenant)
        query = duck.filled(
            "queries/grep",
            filters=condition(filters, tenant),
            around=str(around),
            pattern=expression(pattern, plain=plain, ignore_case=ignore_case),
        )
        try:
            return self._run(query, {"count": _count(limit)})
        except BadInput as error:
            if not isinstance(error.__cause__, duckdb.InvalidInputException):
                raise
            raise BadInput(
                f"the pattern {pattern!r} is no regular expression (RE2): {error.__cause__}",
                hint="mend it, or ask for it as plain text",
            ) from error

    def search(
        self, words: str, tenant: str, filters: Filters = NO_FILTERS, limit: int = 20, skip: int = 0
    ) -> Result:
        """Messages that hold any of the words: those with most of them first, then the newest."""
        self._check_tenant(tenant)
        query = duck.filled("queries/search", filters=condition(filters, tenant), terms=terms(words))
        return self._run(query, {"count": _count(limit), "skip": _count(skip)})

    def _check_tenant(self, tenant: str) -> None:
        if self.tenant is not None and tenant != self.tenant:
            raise BadInput(f"this connection reads tenant {self.tenant!r}, not {tenant!r}")

    def _prepared(self, name: str, tenant: str, **parameters: Any) -> Result:
        self._check_tenant(tenant)
        query = duck.filled(f"queries/{name}", columns=_SHOWN)
        return self._run(query, {"tenant": tenant, **parameters})

    def _run(self, query: str, parameters: Mapping[str, Any] | None) -> Result:
        # A cursor of its own: an open result would block the connection for the next query.
        cursor = self._open().cursor()
        limited = TimeLimit(cursor, self._timeout_s, self._stop).limited
        with limited():
            cursor.execute(query) if parameters is None else cursor.execute(query, parameters)
        return Result(cursor, limited)

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            raise Closed("this archive connection was closed", hint="open another one")
        return self._connection


class TimeLimit:
    """How long DuckDB may work on one query, all its fetches together; None: until it is stopped."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, timeout_s: float | None, stop: Stop) -> None:
        self._cursor, self._timeout_s, self._stop = cursor, timeout_s, stop
        self._worked_s = 0.0

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Stop what runs when the time is used up, and turn DuckDB's errors into ours."""
        left_s = None if self._timeout_s is None else self._timeout_s - self._worked_s
        if left_s is not None and left_s <= 0:
            raise self._too_long()
        started = time.monotonic()
        try:
            with self._stop.working(self._cursor, left_s):
                yield
        except duckdb.InterruptException as error:
            raise self._too_long() from error
        except duckdb.OutOfMemoryException as error:
            raise BadInput(f"the query needs more memory than it may use: {error}") from error
        except (duckdb.IOException, UnicodeDecodeError) as error:  # its message may hold the damaged bytes
            raise damaged(f"an archive file cannot be read: {error}", "archive") from error
        except (duckdb.Error, UnicodeEncodeError, OverflowError) as error:
            if _of_a_file(error):
                raise damaged(f"an archive file does not read: {error}", "archive") from error
            raise BadInput(f"DuckDB refuses the query: {error}") from error
        finally:
            self._worked_s += time.monotonic() - started

    def _too_long(self) -> BadInput:
        return BadInput(f"the query took longer than {self._timeout_s} seconds and was stopped")


def _of_a_file(error: Exception) -> bool:
    """Whether DuckDB stumbled over a Parquet file, not over the query: it has no class for that."""
    words = ("Failed to read file", "Parquet file")
    return type(error) is duckdb.Error or (
        isinstance(error, duckdb.InvalidInputException) and any(some in str(error) for some in words)
    )


class Result:
    """Columns and rows of one query. Rows are read as they are asked for, once.

    Attributes:
        columns: names.
        types: DuckDB types, as text.
    Decimals, dates and times are Python objects; times have a time zone, UTC.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, limited: Callable[..., Any]) -> None:
        self._cursor = cursor
        self._limited = limited
        description = cursor.description or []
        self.columns = tuple(str(column[0]) for column in description)
        self.types = tuple(str(column[1]) for column in description)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while True:
            with self._limited():
                rows = self._cursor.fetchmany(_FETCH_ROWS)
            if not rows:
                return
            yield from rows

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows that are left."""
        return list(self)

    def dicts(self) -> list[dict[str, Any]]:
        """All rows that are left, by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self]

    def df(self) -> Any:
        """All rows that are left as a pandas DataFrame; needs pandas."""
        with self._limited():
            return self._cursor.df()


def _count(value: int) -> int:
    if value < 0:
        raise BadInput(f"a count of {value} messages must be at least 0")
    return value
