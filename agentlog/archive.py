"""The archive of a store: start generations, ask DuckDB, build the Parquet files. Holds no SQL of its own.

Questions are answered from this host's copy of the log: Parquet files and what came after them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple

from agentlog.errors import NotFound
from agentlog.scope import Naming, Scope
from agentlog.session_changes import present
from eventlog.errors import AgentlogError, BadInput
from eventlog.events import SESSION, ArchiveEvent, GenerationStarted
from projections import archive as parquet
from projections.conversation import Conversation
from projections.generations import Generation
from projections.session import Session

GENERATION_MAX = 2**31 - 1


class Found(NamedTuple):
    """What a question found, read whole."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Answer:
    """The answer to a question. Asked when it is awaited (in a thread), or else when first looked at.

        rows = (await store.archive.sql("…")).rows     # others go on meanwhile
        frame = store.archive.sql("…").df()            # quick to write; blocks

    Awaited, it holds everything any host appended before; otherwise what this host's segments have.
    Errors of the question come then as well.
    """

    def __init__(self, ask: Callable[[], Found], catch_up: Callable[[], Awaitable[object]]) -> None:
        self._ask = ask
        self._catch_up = catch_up
        self._found: Found | None = None

    def __await__(self) -> Generator[Any, None, Answer]:
        if self._found is None:
            self._found = yield from self._fresh().__await__()
        return self

    async def _fresh(self) -> Found:
        # What other hosts appended counts as well. Without Postgres, or with a full disk, the
        # answer is what this host has: better than none.
        with suppress(AgentlogError, OSError):
            await self._catch_up()
        return await asyncio.to_thread(self._ask)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names."""
        return self._look().columns

    @property
    def types(self) -> tuple[str, ...]:
        """DuckDB's types, as text."""
        return self._look().types

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """Tuples. Times have a time zone, decimals are Decimal."""
        return self._look().rows

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

    def _look(self) -> Found:
        if self._found is None:
            self._found = self._ask()
        return self._found


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


class Questions:
    """Questions about the sessions that may be named, answered from the local copy of the log.

    Args:
        reach: returns the position up to which there is something to answer from; may block.
        catch_up: brings the local copy level first, where an answer is awaited.
    """

    def __init__(
        self,
        naming: Naming,
        archive: parquet.Archive,
        reach: Callable[[], int],
        catch_up: Callable[[], Awaitable[object]],
    ) -> None:
        self._naming = naming
        self._archive = archive
        self._reach = reach
        self._catch_up = catch_up

    def sql(self, query: str, *, timeout_s: float | None = None, tenant: str | None = None) -> Answer:
        """Run one SELECT over `events`, `messages`, `sessions` and `usage`, read-only.

        Args:
            timeout_s: stop it after so many seconds.
            tenant: of a store opened for none: show that tenant alone; without it all.
        Raises:
            BadInput: it is no such SELECT, or DuckDB refuses it.
        """
        return self._question(lambda it: it.sql(query), self._seen(tenant), timeout_s)

    def query(
        self, name: str, /, *, timeout_s: float | None = None, tenant: str | None = None, **parameters: Any
    ) -> Answer:
        """Ask a named query, e.g. `query("tokens_by_day", since="2026-11-01")`.

        `queries()` lists them, docs/reference/queries.md explains them.

        Args:
            timeout_s, tenant: as for `sql`.
            parameters: those of the query; dates are `datetime.date` or text such as 2026-11-01.
        Raises:
            BadInput: there is no such query, or a parameter is unknown, missing or cannot be read.
        """
        parquet.find_query(name).values(parameters)
        return self._question(lambda it: it.query(name, parameters), self._seen(tenant), timeout_s)

    def queries(self) -> list[parquet.NamedQuery]:
        """Every named query: what it answers, its parameters, its columns with their units."""
        return list(parquet.named_queries().values())

    def stat(self, key: str, *, tenant: str | None = None) -> Answer:
        """Count messages, places, times and bytes of text per generation of a session. Raises NotFound."""
        owner = self._naming.owner(tenant)
        return self._question(lambda it: it.stat(key, owner), owner, known=key)

    def head(self, key: str, count: int = 10, *, tenant: str | None = None) -> Answer:
        """A session's first messages, over all generations. Raises NotFound."""
        owner = self._naming.owner(tenant)
        return self._question(lambda it: it.head(key, count, owner), owner, known=key)

    def tail(self, key: str, count: int = 10, *, tenant: str | None = None) -> Answer:
        """A session's last messages, over all generations, oldest first. Raises NotFound."""
        owner = self._naming.owner(tenant)
        return self._question(lambda it: it.tail(key, count, owner), owner, known=key)

    def seq(
        self, key: str, first: int, last: int | None = None, *, generation: int = 0, tenant: str | None = None
    ) -> Answer:
        """Messages `first` to `last` (without it: that one) of a generation; the first is 0."""
        owner = self._naming.owner(tenant)
        end = first if last is None else last
        if not (0 <= first <= end and 0 <= generation <= GENERATION_MAX):
            raise BadInput(
                f"messages {first} to {end} of generation {generation} cannot be", hint="count from 0"
            )
        return self._question(lambda it: it.seq(key, generation, first, end, owner), owner)

    def grep(
        self, pattern: str, key: str | None = None, *, limit: int = 100, tenant: str | None = None
    ) -> Answer:
        """Messages in which a regular expression (RE2) is found, in one session or in all."""
        owner = self._naming.owner(tenant)
        return self._question(lambda it: it.grep(pattern, owner, key, limit), owner)

    def _seen(self, tenant: str | None) -> str | None:
        """Whose data a question over all of it is answered from; None for everybody's."""
        return self._naming.owner(tenant) if tenant is not None else self._naming.tenant or None

    def _question(
        self,
        ask: Callable[[parquet.Connection], parquet.Result],
        tenant: str | None,
        timeout_s: float | None = None,
        known: str | None = None,
    ) -> Answer:
        """Return the answer, not asked for yet. `known`: a session that must have a message."""

        def find() -> Found:
            with self._archive.connect(self._reach(), tenant=tenant, timeout_s=timeout_s) as connection:
                result = ask(connection)
                found = Found(result.columns, result.types, result.rows())
            if known is not None and not found.rows:
                raise NotFound(
                    f"the archive has no message of session {known!r}", hint="check key and tenant", key=known
                )
            return found

        return Answer(find, self._catch_up)


class Archives(Questions):
    """The archive of the sessions a store may name."""

    def __init__(self, scope: Scope, archive: parquet.Archive) -> None:
        super().__init__(scope, archive, lambda: scope.log.segments.durable_position, scope.log.catch_up)
        self._scope = scope

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

    async def build(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Write Parquet files for all this host has; return the position they reach.

        Questions are answered without it as well; with it, faster. `progress` hears (position, of
        how many), in another thread.
        """
        until = self._scope.log.segments.durable_position
        return await asyncio.to_thread(self._archive.build, until, progress)

    async def rebuild(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Make again from the log what is wrong with the archive's files; return how many ranges were.

        `Store.verify` tells what is wrong. `progress` as for `build`, where all of it is made again.
        """
        head = self._scope.log.segments.durable_position
        return await asyncio.to_thread(self._archive.rebuild, head, progress)
