"""Array literals: many small values as one text parameter, cast to an array by the statement.

asyncpg looks at each element of each array parameter from Python, about 1 us a value, which at
twenty arrays was half the client's time per event. A literal is joined and parsed in C.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def numbers(values: Sequence[int | None]) -> str:
    """`[1, None]` as `{1, NULL}`."""
    text = str(values)
    return f"{{{text[1:-1].replace('None', 'NULL')}}}"


def words(values: Iterable[str]) -> str:
    """Values without quotes and backslashes: names, UUIDs, booleans as `t` and `f`.

    Quoted all the same: a stream kind or an event type may be called `null`.
    """
    joined = '","'.join(values)
    return f'{{"{joined}"}}' if joined else "{}"


def texts(values: Iterable[str | None]) -> str:
    """Any text, quoted; None is NULL."""
    return f"{{{','.join([_quoted(value) for value in values])}}}"


def _quoted(value: str | None) -> str:
    if value is None:
        return "NULL"
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'
