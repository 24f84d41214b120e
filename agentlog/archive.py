"""The archive of a store: start generations, ask DuckDB, build the Parquet files. Holds no SQL of its own.

Questions are answered from this host's copy of the log: Parquet files and what came after them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from agentlog.archive_answer import Answer
from agentlog.archive_checks import (
    GENERATION_MAX,
    check_context,
    check_page,
    check_patience,
    check_places,
    filters_of,
)
from agentlog.archive_pages import PAGE_BYTES, ROWS_MAX, Found, excerpts, page, whole
from agentlog.checks import COUNT_MAX, check_call, check_kind, check_number
from agentlog.errors import NotFound
from agentlog.message import ArchivedMessage, read_message
from agentlog.report.reports import Reports
from agentlog.scope import Naming, Scope
from agentlog.session_changes import present
from eventlog.events import SESSION, ArchiveEvent, GenerationStarted
from projections import archive as parquet
from projections.conversation import Conversation
from projections.generations import Generation
from projections.session import Session

PAGE_EVENTS = 1_000


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


class Questions(Reports):
    """Questions about the sessions that may be named, answered from the local copy of the log.

    Messages come in pages: at most so many, and at most `bytes_max` bytes of text. What was left out an
    answer says by its `more`.

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

    def sql(
        self,
        query: str,
        *,
        timeout_s: float | None = None,
        rows_max: int = ROWS_MAX,
        tenant: str | None = None,
    ) -> Answer:
        """Run one SELECT over the views (docs/reference/archive.md), read-only.

        Args:
            timeout_s: stop it after so many seconds, between steps of DuckDB: docs/reference/archive.md.
            rows_max: refuse an answer of more rows.
            tenant: of a store opened for none: show that tenant alone; without it all.
        Raises:
            BadInput: it is no such SELECT, or DuckDB refuses it.
        """
        check_number(rows_max, "rows_max", 1, COUNT_MAX)
        return self._question(lambda it: whole(it.sql(query), rows_max), self._seen(tenant), timeout_s)

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
        check_kind(name, str, "the name of a query", "a text")
        parquet.find_query(name).values(parameters)
        return self._question(lambda it: whole(it.query(name, parameters)), self._seen(tenant), timeout_s)

    def queries(self) -> list[parquet.NamedQuery]:
        """Every named query: what it answers, its parameters, its columns with their units."""
        return list(parquet.named_queries().values())

    def stat(self, key: str, *, tenant: str | None = None) -> Answer:
        """Count messages, places, times and bytes of text per generation of a session. Raises NotFound."""
        owner = self._naming.owner(tenant)
        return self._question(lambda it: whole(it.stat(key, owner)), owner, known=key)

    def head(
        self,
        key: str,
        limit: int = 10,
        *,
        after: int = 0,
        bytes_max: int = PAGE_BYTES,
        tenant: str | None = None,
    ) -> Answer:
        """A session's first messages, over all generations, of positions above `after`. Raises NotFound."""
        owner = self._naming.owner(tenant)
        check_page(limit, bytes_max, after)
        known = None if after else key
        return self._question(
            lambda it: page(it.head(key, limit + 1, owner, after), limit, bytes_max), owner, known=known
        )

    def tail(
        self,
        key: str,
        limit: int = 10,
        *,
        before: int | None = None,
        bytes_max: int = PAGE_BYTES,
        tenant: str | None = None,
    ) -> Answer:
        """A session's last messages, over all generations, oldest first, of positions below `before`.

        Raises NotFound.
        """
        owner = self._naming.owner(tenant)
        check_page(limit, bytes_max, before)
        known = key if before is None else None
        return self._question(
            lambda it: page(it.tail(key, limit + 1, owner, before), limit, bytes_max, last=True),
            owner,
            known=known,
        )

    def seq(
        self,
        key: str,
        first: int,
        last: int | None = None,
        *,
        generation: int = 0,
        bytes_max: int = PAGE_BYTES,
        tenant: str | None = None,
    ) -> Answer:
        """Messages `first` to `last` (without it: that one) of a generation; the first is 0."""
        owner = self._naming.owner(tenant)
        end = first if last is None else last
        check_places(first, end, generation)
        check_page(end - first + 1, bytes_max, None)
        return self._question(
            lambda it: page(it.seq(key, generation, first, end, owner), end - first + 1, bytes_max), owner
        )

    def timeline(
        self,
        key: str,
        limit: int = 100,
        *,
        after: int = 0,
        bytes_max: int = PAGE_BYTES,
        tenant: str | None = None,
    ) -> Answer:
        """What happened in a session, in order: messages in short, and whatever changed it.

        `gap_s` is the time since what stands before. Raises NotFound.
        """
        owner = self._naming.owner(tenant)
        check_page(limit, bytes_max, after)
        known = None if after else key
        return self._question(
            lambda it: page(it.timeline(key, limit + 1, owner, after), limit, bytes_max), owner, known=known
        )

    def grep(
        self,
        pattern: str,
        *keys: str,
        limit: int = 100,
        plain: bool = False,
        ignore_case: bool = False,
        context: int | None = None,
        role: str | None = None,
        tool: str | None = None,
        generation: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int = 0,
        bytes_max: int = PAGE_BYTES,
        tenant: str | None = None,
    ) -> Answer:
        """Messages in which a regular expression (RE2) is found, in some sessions or in all, oldest first.

        Args:
            keys: look in these sessions alone.
            plain: take the pattern for itself and not for an expression.
            context: show the line of the first place, and so many before and after it (at most 20);
                without it some 80 characters before and 160 after.
            role, tool, generation: of these alone. A message that calls several tools is of each.
            since, until: said from `since` on, before `until`, by the message's own time or else the log's.
            after: of positions above this.
        Raises BadInput.
        """
        owner = self._naming.owner(tenant)
        check_kind(pattern, str, "pattern", "a text")
        check_context(context)
        check_page(limit, bytes_max, after)
        filters = filters_of(keys, role, tool, generation, since, until, after)

        def look(it: parquet.Connection) -> Found:
            found = it.grep(
                pattern, owner, filters, limit + 1, plain=plain, ignore_case=ignore_case,
                around=240 if context is None else 400 * (context + 1),
            )  # fmt: skip
            return page(excerpts(found, context), limit, bytes_max)

        return self._question(look, owner)

    def search(
        self,
        words: str,
        *keys: str,
        limit: int = 20,
        skip: int = 0,
        role: str | None = None,
        tool: str | None = None,
        generation: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        tenant: str | None = None,
    ) -> Answer:
        """Messages that hold any of the words, whatever their case: those with most of them first, then
        the newest. `skip` so many that were shown before; the rest as for `grep`.
        """
        owner = self._naming.owner(tenant)
        check_kind(words, str, "words", "a text")
        check_number(limit, "limit", 0, COUNT_MAX)
        check_number(skip, "skip")
        filters = filters_of(keys, role, tool, generation, since, until)
        return self._question(lambda it: whole(it.search(words, owner, filters, limit, skip)), owner)

    def _question(
        self,
        ask: Callable[[parquet.Connection], Found],
        tenant: str | None,
        timeout_s: float | None = None,
        known: str | None = None,
    ) -> Answer:
        """Return the answer, not asked for yet. `known`: a session that must have a message."""
        check_patience(timeout_s)

        def find(stop: parquet.Stop) -> Found:
            with self._archive.ask(
                self._reach(), tenant=tenant, timeout_s=timeout_s, stop=stop
            ) as connection:
                found = ask(connection)
            if known is not None and not found.rows:
                raise NotFound(
                    f"the archive has no message of session {known!r}", hint="check key and tenant", key=known
                )
            return found

        return Answer(find, self._catch_up)


class Generations(Questions):
    """The archive of a log, whose sessions can be loaded as well."""

    _scope: Scope

    async def load(
        self, key: str, generation: int | None = None, *, tenant: str | None = None
    ) -> list[ArchivedMessage]:
        """Return all messages of a session as they were appended, whatever left the view since.

        Exactly, from Postgres: by generation, and within each by its place, from 0.

        Args:
            generation: of that one alone.
        Raises:
            NotFound: there is no such session, or generation of it. FormatTooNew: see `read_message`.
        """
        stream = self._scope.stream(SESSION, key, tenant)
        if generation is not None:
            check_number(generation, "generation", 0, GENERATION_MAX)
        rows = await self._scope.fetch("generations", stream.tenant, key, of=stream)
        chosen = [row for row in rows if generation is None or row["generation"] == generation]
        if not chosen:
            what = f"session {key!r}" if not rows else f"generation {generation} of session {key!r}"
            raise NotFound(f"there is no {what}", hint="check key, generation and tenant", key=key)
        found: list[ArchivedMessage] = []
        for row in chosen:
            after, end = row["first_version"] - 1, (row["next_version"] or row["end_version"] + 1) - 1
            seq = 0
            while after < end:
                events = await self._scope.log.read_stream(stream, after, min(PAGE_EVENTS, end - after))
                assert events, "versions of a stream have no gaps"
                after = events[-1].version
                for event in events:
                    message = read_message(event)
                    if message is not None:
                        found.append(ArchivedMessage(row["generation"], seq, message))
                        seq += 1
        return found


class Archives(Generations):
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
        check_call(progress, "progress")
        until = self._scope.log.segments.durable_position
        return await asyncio.to_thread(self._archive.build, until, progress)

    async def rebuild(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Make again from the log what is wrong with the archive's files; return how many ranges were.

        `Store.verify` tells what is wrong. `progress` as for `build`, where all of it is made again.
        """
        check_call(progress, "progress")
        head = self._scope.log.segments.durable_position
        return await asyncio.to_thread(self._archive.rebuild, head, progress)

    async def compact(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Merge small Parquet files into larger ones; return how many ranges there are now fewer.

        `progress` hears (merges done, of how many), in another thread.
        """
        check_call(progress, "progress")
        return await asyncio.to_thread(self._archive.compact, progress)

    async def check(self) -> list[parquet.ArchiveFinding]:
        """Compare every row of the Parquet files with the log, and the files with their manifest.

        Takes about as long as building them; `rebuild` mends what is found.
        """
        head = self._scope.log.segments.durable_position
        return await asyncio.to_thread(lambda: self._archive.check(head, content=True))

    async def status(self) -> parquet.ArchiveStatus:
        """Say how far Parquet files reach, and what they take."""
        return await asyncio.to_thread(self._archive.status)
