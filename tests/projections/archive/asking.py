"""Named queries in tests: histories by day and minute, and answers as plain values. Holds no test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eventlog.events import MessageAppended, Usage, raw
from projections.archive import find_query
from tests.projections.archive.history import History

Rows = list[tuple[Any, ...]]
Ask = Callable[..., Rows]


def at(day: int, clock: str = "12:00:00") -> str:
    """A moment of November 2026; the 1st is a Sunday."""
    return f"2026-11-{day:02d}T{clock}.000000Z"


def said(
    history: History, session: str, moment: str, content: Any = "hello", *, tenant: str = "", **fields: Any
) -> None:
    """A message that was said at a moment of its own."""
    fields.setdefault("message_id", f"m{history.head + 1}")
    fields.setdefault("role", "assistant")
    history.say(session, MessageAppended(content=raw(content), **fields), tenant=tenant, occurred_at=moment)


def used(
    history: History,
    session: str,
    moment: str,
    counts: tuple[int, ...],
    cost: str | None = None,
    *,
    response: str | None = None,
    **fields: Any,
) -> None:
    """A message with usage: input, output, cache read, cache write, reasoning; maybe a cost in USD."""
    said(
        history, session, moment, usage=Usage(*counts), response_id=response,
        cost=None if cost is None else Decimal(cost), **fields,
    )  # fmt: skip


@contextmanager
def asking(history: History, *, tenant: str | None = None) -> Iterator[Ask]:
    """Give a function that asks named queries and returns rows, over one connection.

    Their columns must be those their headers say.
    """
    with TemporaryDirectory() as directory, history.connect(Path(directory), tenant=tenant) as connection:

        def ask(name: str, **parameters: Any) -> Rows:
            result = connection.query(name, parameters)
            assert result.columns == tuple(column.name for column in find_query(name).columns)
            return result.rows()

        yield ask


def ask(history: History, name: str, *, tenant: str | None = None, **parameters: Any) -> Rows:
    """Ask one named query."""
    with asking(history, tenant=tenant) as asked:
        return asked(name, **parameters)
