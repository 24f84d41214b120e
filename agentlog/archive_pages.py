"""Cuts what a question found into pages that fit an agent's window. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

from eventlog.errors import BadInput

PAGE_BYTES = 256 * 1024
PAGE_BYTES_MIN = 256
ROWS_MAX = 1_000_000
CONTEXT_LINES_MAX = 20
_BEFORE_CHARACTERS, _AFTER_CHARACTERS = 80, 160


class Found(NamedTuple):
    """What a question found, read whole. `more`: the position behind which the next page begins."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: int | None = None


class Rows(Protocol):
    """What can be cut: columns with their types, and rows."""

    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def types(self) -> tuple[str, ...]: ...
    def __iter__(self) -> Any: ...


def whole(result: Rows, rows_max: int = ROWS_MAX) -> Found:
    """Read all of a result. Raises BadInput: it has more than `rows_max` rows, 1 to 2^62."""
    rows = list(islice(result, rows_max + 1))
    if len(rows) > rows_max:
        raise BadInput(
            f"the answer has more than {rows_max:,} rows and was not read further",
            hint="sum up or add a LIMIT to the query, or allow more with rows_max",
        )
    return Found(result.columns, result.types, rows)


def page(result: Rows | Found, count: int, bytes_max: int, *, last: bool = False) -> Found:
    """Keep the first rows (with `last`: the last) that fit: at most `count`, and `bytes_max` bytes of text.

    A single row that is longer is kept with its texts shortened, so that every page leads on.

    Raises BadInput: less than 256 bytes, or a negative count.
    """
    if bytes_max < PAGE_BYTES_MIN or count < 0:
        raise BadInput(
            f"a page of {count} rows and {bytes_max} bytes cannot be",
            hint=f"give at least 0 rows and {PAGE_BYTES_MIN} bytes",
        )
    rows = result.rows if isinstance(result, Found) else list(result)
    kept: list[tuple[Any, ...]] = []
    left = bytes_max
    for row in reversed(rows) if last else rows:
        size = sum(_size(value) for value in row)
        if len(kept) == count or (kept and size > left):
            break
        kept.append(row if size <= left else _shortened(row, left))
        left -= size
    more = None
    if kept and len(kept) < len(rows):
        more = int(kept[-1][result.columns.index("position")])
    return Found(result.columns, result.types, kept[::-1] if last else kept, more)


def excerpts(result: Rows, context: int | None) -> Found:
    """Make one column `excerpt` of the last two, `before` and `excerpt`: characters, or whole lines."""
    rows = [(*row[:-2], _excerpt(row[-2], row[-1], context)) for row in result]
    return Found((*result.columns[:-2], "excerpt"), (*result.types[:-2], "VARCHAR"), rows)


def _excerpt(before: str | None, found: str | None, context: int | None) -> str:
    before, found = before or "", found or ""
    if context is None:
        return before[-_BEFORE_CHARACTERS:] + found[:_AFTER_CHARACTERS]
    above = before.split("\n")[-context - 1 :]
    below = found.split("\n")[: context + 1]
    return "\n".join(above) + "\n".join(below)


def _size(value: object) -> int:
    return len(value.encode(errors="replace")) if isinstance(value, str) else 8


def _shortened(row: Sequence[Any], bytes_max: int) -> tuple[Any, ...]:
    """Return the row with its longest texts cut, each to an equal share, and a mark where they were."""
    texts = [value for value in row if isinstance(value, str) and _size(value) > PAGE_BYTES_MIN // 8]
    share = bytes_max // (len(texts) + 1)
    return tuple(_cut(value, share) if isinstance(value, str) else value for value in row)


def _cut(text: str, bytes_max: int) -> str:
    whole = text.encode(errors="replace")
    if len(whole) <= bytes_max:
        return text
    kept = whole[: max(0, bytes_max - 40)].decode(errors="ignore")
    return f"{kept}… ({len(whole):,} bytes)"
