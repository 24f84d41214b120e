"""Tables of rows as HTML, with figures written for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from agentlog.charts.markup import Markup, element, joined
from agentlog.charts.scale import figure

ROWS_MAX = 100
# Of a table that stands by itself; a report has a style sheet of its own.
NOTEBOOK_STYLE = ".number{text-align:right} .scroll{overflow-x:auto} .more{opacity:.7}"
_TEXT_CHARACTERS_MAX = 200
# In columns of these units a figure is written with its unit; elsewhere as it is.
_WRITTEN = frozenset(("USD", "seconds", "fraction", "bytes"))


def html_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    units: Sequence[str] | None = None,
    *,
    caption: str = "",
    rows_max: int = ROWS_MAX,
) -> Markup:
    """Return a table, with a line below it when not all rows are shown.

    Args:
        units: of the columns, as named queries have them; without them values show as they are.
        caption: what the table is of, for those who do not see what stands around it.
        rows_max: at most so many rows.
    """
    kinds = list(units or [""] * len(columns))
    heading = [
        element("th", name.replace("_", " "), scope="col", class_=_class(rows, n))
        for n, name in enumerate(columns)
    ]
    body = [
        element(
            "tr",
            *(element("td", cell(value, kinds[n]), class_=_class(rows, n)) for n, value in enumerate(row)),
        )
        for row in rows[:rows_max]
    ]
    table = element(
        "table",
        element("caption", caption) if caption else None,
        element("thead", element("tr", *heading)),
        element("tbody", *body),
    )
    more = len(rows) - rows_max
    below = element("p", f"… and {more:,} more", class_="more") if more > 0 else None
    return joined((element("div", table, class_="scroll", tabindex=0), below))


def cell(value: Any, unit: str = "") -> str:
    """Return a value as the text of a cell; NULL is a dash, long text is cut."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int() | float() | Decimal() if unit in _WRITTEN:
            return figure(float(value), unit)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
        case Decimal():
            return f"{value.normalize():f}"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        case date():
            return value.isoformat()
    text = str(value)
    return text if len(text) <= _TEXT_CHARACTERS_MAX else text[:_TEXT_CHARACTERS_MAX] + "…"


def _class(rows: Sequence[Sequence[Any]], column: int) -> str | None:
    """Numbers stand at the right."""
    values = [row[column] for row in rows[:ROWS_MAX] if row[column] is not None]
    numbers = bool(values) and all(isinstance(value, int | float | Decimal) for value in values)
    return "number" if numbers and not isinstance(values[0], bool) else None
