"""The archive of a store: start generations, ask DuckDB, build the Parquet files. Holds no SQL of its own.

Questions are answered from this host's copy of the log: Parquet files and what came after them. They
block; in an event loop that must go on meanwhile, use `asyncio.to_thread(store.archive.sql, …)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import msgspec

from agentlog.errors import NotFound
from agentlog.scope import Scope
from agentlog.session import present
from eventlog.errors import BadInput
from eventlog.events import SESSION, ArchiveEvent, GenerationStarted
from projections import archive as parquet
from projections.conversation import Conversation
from projections.generations import Generation
from projections.session import Session

GENERATION_MAX = 2**31 - 1


class Table(msgspec.Struct, frozen=True):
    """The answer to a question, read whole.

    Attributes:
        columns: names; types: DuckDB's types, as text.
        rows: tuples; times have a time zone, decimals are Decimal.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def dicts(self) -> list[dict[str, Any]]:
        """The rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def df(self) -> Any:
        """The rows as a pandas DataFrame; needs pandas."""
        try:
            pandas: Any = import_module("pandas")
        except ImportError as error:
            raise BadInput(
                "df() needs pandas, which is not installed", hint="pip install pandas, or use .rows"
            ) from error
        return pandas.DataFrame(self.rows, columns=list(self.columns))


def decide_new_generation(
    key: str,
    reason: str | None,
    session: Session | None,
    conversation: Conversation | None,
    generation: Generation | None,
) -> list[ArchiveEvent]:
    """The next number, beginning after all messages there are."""
    present(key, session)
    number = (generation or Generation()).generation + 1
    return [GenerationStarted(number, (conversation or Conversation()).message_count, reason)]


class Archives:
    """The archive of the sessions a store may name."""

    def __init__(self, scope: Scope, archive: parquet.Archive) -> None:
        self._scope = scope
        self._archive = archive

    async def new_generation(
        self,
        key: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> int:
        """Start a session over, and return the number of its new generation; the first was 0.

        What was said so far leaves the active window and stays in the archive. Raises NotFound.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        started: list[ArchiveEvent] = []

        def decide(*states: Any) -> list[ArchiveEvent]:
            started[:] = decide_new_generation(key, reason, *states)
            return started

        await self._scope.decide(stream, ["sessions", "conversations", "generations"], decide, meta=meta)
        return started[0].generation

    def sql(self, query: str, *, timeout_s: float | None = None, tenant: str | None = None) -> Table:
        """Run one SELECT over `events`, `messages`, `sessions` and `usage`, read-only.

        Args:
            timeout_s: stop it after so many seconds.
            tenant: of a store opened for none: show that tenant alone; without it all.
        Raises:
            BadInput: it is no such SELECT, or DuckDB refuses it.
        """
        seen = self._scope.owner(tenant) if tenant is not None else self._scope.tenant or None
        with self._connection(seen, timeout_s) as connection:
            return _read(connection.sql(query))

    def stat(self, key: str, *, tenant: str | None = None) -> Table:
        """Return messages, places, times and bytes of text per generation of a session. Raises NotFound."""
        owner = self._scope.owner(tenant)
        with self._connection(owner) as connection:
            return _known(key, _read(connection.stat(key, owner)))

    def head(self, key: str, count: int = 10, *, tenant: str | None = None) -> Table:
        """Return a session's first messages, over all generations. Raises NotFound."""
        owner = self._scope.owner(tenant)
        with self._connection(owner) as connection:
            return _known(key, _read(connection.head(key, count, owner)))

    def tail(self, key: str, count: int = 10, *, tenant: str | None = None) -> Table:
        """Return a session's last messages, over all generations, oldest first. Raises NotFound."""
        owner = self._scope.owner(tenant)
        with self._connection(owner) as connection:
            return _known(key, _read(connection.tail(key, count, owner)))

    def seq(
        self, key: str, first: int, last: int | None = None, *, generation: int = 0, tenant: str | None = None
    ) -> Table:
        """Return messages `first` to `last` (without it: that one) of a generation; the first is 0."""
        owner = self._scope.owner(tenant)
        end = first if last is None else last
        if not (0 <= first <= end and 0 <= generation <= GENERATION_MAX):
            raise BadInput(
                f"messages {first} to {end} of generation {generation} cannot be", hint="count from 0"
            )
        with self._connection(owner) as connection:
            return _read(connection.seq(key, generation, first, end, owner))

    def grep(
        self, pattern: str, key: str | None = None, *, limit: int = 100, tenant: str | None = None
    ) -> Table:
        """Return messages in which a regular expression (RE2) is found, in one session or in all."""
        owner = self._scope.owner(tenant)
        with self._connection(owner) as connection:
            return _read(connection.grep(pattern, owner, key, limit))

    async def build(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Write Parquet files for all this host has; return the position they reach.

        Questions are answered without it as well; with it, faster. `progress` hears (position, of
        how many), in another thread.
        """
        until = self._scope.log.segments.durable_position
        return await asyncio.to_thread(self._archive.build, until, progress)

    @contextmanager
    def _connection(self, tenant: str | None, timeout_s: float | None = None) -> Iterator[parquet.Connection]:
        head = self._scope.log.segments.durable_position
        with self._archive.connect(head, tenant=tenant, timeout_s=timeout_s) as connection:
            yield connection


def _read(result: parquet.Result) -> Table:
    return Table(result.columns, result.types, result.rows())


def _known(key: str, table: Table) -> Table:
    if not table.rows:
        raise NotFound(f"the archive has no message of session {key!r}", hint="check key and tenant", key=key)
    return table
