"""The answer to a question about the archive: rows, or a data frame. Asks nothing by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from agentlog.archive_pages import Found
from agentlog.asking import in_thread, waited_for
from agentlog.report.table import NOTEBOOK_STYLE, html_table
from eventlog.errors import AgentlogError, BadInput
from projections.archive import Stop


class Answer:
    """The answer to a question. Asked when it is awaited (in a thread), or else when first looked at.

        rows = (await store.archive.sql("…")).rows     # others go on meanwhile
        frame = store.archive.sql("…").df()            # quick to write; blocks

    Awaited, it holds everything any host appended before; otherwise what this host's segments have.
    Errors of the question come then as well. Who cancels the waiting (Ctrl-C, `asyncio.timeout`) stops it.
    """

    def __init__(self, ask: Callable[[Stop], Found], catch_up: Callable[[], Awaitable[object]]) -> None:
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
        return await in_thread(self._ask)

    def __repr__(self) -> str:
        if self._found is None:
            return "<Answer, not asked for yet>"
        return f"<Answer: {len(self._found.rows):,} rows of {', '.join(self._found.columns)}>"

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

    @property
    def more(self) -> int | None:
        """Where the next page begins: to be given as `after` (of a tail: `before`). None: that was all."""
        return self._look().more

    def dicts(self) -> list[dict[str, Any]]:
        """The rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def _repr_html_(self) -> str:
        """The rows as a table, for notebooks; the first hundred."""
        return f"<style>{NOTEBOOK_STYLE}</style>" + html_table(self.columns, self.rows)

    def df(self) -> Any:
        """The rows as a pandas DataFrame; needs pandas."""
        return self._framed("pandas", "df").DataFrame(self.rows, columns=list(self.columns))

    def pl(self) -> Any:
        """The rows as a polars DataFrame; needs polars."""
        return self._framed("polars", "pl").DataFrame(
            self.rows, schema=list(self.columns), orient="row", infer_schema_length=None
        )

    def arrow(self) -> Any:
        """The rows as an Arrow table; needs pyarrow."""
        return self._framed("pyarrow", "arrow").Table.from_pylist(self.dicts())

    def _framed(self, package: str, method: str) -> Any:
        try:
            return import_module(package)
        except ImportError as error:
            raise BadInput(
                f"{method}() needs {package}, which is not installed",
                hint=f"pip install {package}, or use .rows",
            ) from error

    def _look(self) -> Found:
        if self._found is None:
            self._found = waited_for(self._ask)
        return self._found
