"""Answers on stdout: tables for people, plain lines for pipes, JSON for programs. Asks nothing.

Content comes from agents and from whoever wrote to them. Nothing of it may reach a terminal as a
control sequence: every such character is shown as an escape.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

# Controls (C0, DEL, C1), line separators, marks that reorder text, lone surrogates.
_HIDDEN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff"
_IN_TEXT = re.compile(f"[{_HIDDEN}]")
_IN_LINE = re.compile(f"[\t\n{_HIDDEN}]")
# Inside of JSON these are legal, stand in strings only, and are none the less obeyed by terminals.
_IN_JSON = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# Less than that is no longer read as text.
COLUMN_CHARACTERS_MIN = 12
# Behind a column: its padding and the box's space.
COLUMN_GAP_CHARACTERS = 2
SHORT_CHARACTERS_MAX = 20
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def visible(text: str) -> str:
    """Return `text` on one line, with every control character as an escape."""
    return _IN_LINE.sub(_escape, text)


def visible_lines(text: str) -> str:
    """Return `text` with its lines and tabs, every other control character as an escape."""
    return _IN_TEXT.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return _SHORT.get(match[0]) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def to_json(value: Any) -> str:
    """Return a value as one line of JSON that no terminal takes for a command."""
    try:
        text = msgspec.json.encode(value, enc_hook=str).decode()
    except UnicodeEncodeError:  # lone surrogates
        return json.dumps(msgspec.to_builtins(value, str_keys=True, enc_hook=str))
    return escape_json(text)


def escape_json(text: str) -> str:
    """Return JSON that says the same, with the characters that terminals obey written as escapes."""
    return _IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def cell(value: Any, *, people: bool) -> str:
    """Return a value as the text of one table cell. `people`: with thousands separators and such."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}" if people else str(value)
        case Decimal():
            return f"{value.normalize():f}"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S" if people else "%Y-%m-%dT%H:%M:%S.%fZ")
        case str():
            return visible(value)
        case dict() | list() | tuple() | msgspec.Struct():
            return to_json(value)
    return visible(str(value))


class Output:
    """Where a command's answer goes.

    Attributes:
        json: whether answers are JSON.
        people: whether somebody is looking: tables and separators instead of plain lines.
    """

    def __init__(self, json: bool) -> None:
        self.json = json
        self.people = not json and sys.stdout.isatty()
        self._named: tuple[str, ...] = ()

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
        """Show rows. JSON: one object per line. Plain: one line per row, values separated by tabs.

        Plain rows stand below the names of their columns, which are not said again where rows go on.
        """
        if self.json:
            for row in rows:
                self.line(to_json(dict(zip(columns, row, strict=True))))
        elif self.people:
            self._rich_table(columns, list(rows), title)
        else:
            # Who pipes into less or a file reads columns as well; programs take --json.
            if self._named != tuple(columns):
                self._named = tuple(columns)
                self.line("\t".join(map(visible, columns)))
            for row in rows:
                self.line("\t".join(cell(value, people=False) for value in row))

    def record(self, values: Mapping[str, Any], *, title: str = "") -> None:
        """Show one thing. Plain: one line per member. JSON: one document."""
        if self.json:
            self.line(to_json(values))
        elif self.people:
            self._rich_table((), [(name.replace("_", " "), value) for name, value in values.items()], title)
        else:
            for name, value in values.items():
                self.line(f"{name}\t{cell(value, people=False)}")

    def document(self, value: Any) -> None:
        """Print one JSON document."""
        self.line(to_json(value))

    def say(self, text: str) -> None:
        """Tell people something; programs that asked for JSON do not get it."""
        if not self.json:
            self.line(visible_lines(text))

    def line(self, text: str) -> None:
        """Print a line that is safe to print."""
        sys.stdout.write(text + "\n")

    def _rich_table(self, columns: Sequence[str], rows: list[Sequence[Any]], title: str) -> None:
        from rich import box
        from rich.cells import cell_len
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console(highlight=False, markup=False, emoji=False)
        cells = [[cell(value, people=True) for value in row] for row in rows]
        headings = [visible(name.replace("_", " ")) for name in columns] or ["", ""]
        widths, least = [], []
        for n, heading in enumerate(headings):
            width = max((cell_len(line) for row in cells for line in row[n].split("\n")), default=0)
            # The first column names the row, and a short value is a number, a time, a state: none of them
            # means what it says with its end cut off.
            whole = n == 0 or width <= SHORT_CHARACTERS_MAX
            word = max(map(cell_len, heading.split()), default=0)
            widths.append(max(width, cell_len(heading)))
            least.append(max(width if whole else COLUMN_CHARACTERS_MIN, word))
        fitted = fit(widths, least, console.width - len(headings) * COLUMN_GAP_CHARACTERS)
        if fitted is None and columns:
            # Too many columns to be read side by side: one below the other.
            for number, row in enumerate(rows, 1):
                pairs: list[Sequence[Any]] = list(zip(headings, row, strict=True))
                self._rich_table((), pairs, title or f"{number} of {len(rows)}")
            return
        table = Table(
            title=Text(visible(title)) if title else None, title_justify="left",
            box=box.SIMPLE_HEAD, show_header=bool(columns), pad_edge=False,
            padding=(0, 1, 0, 0),
        )  # fmt: skip
        for n, heading in enumerate(headings):
            numbers = bool(rows) and all(isinstance(row[n], int | float | Decimal | None) for row in rows)
            table.add_column(
                Text(heading),
                justify="right" if numbers else "left",
                overflow="fold",
                width=fitted[n] if fitted else None,
            )
        for texts in cells:
            table.add_row(*map(Text, texts))
        console.print(table)


def fit(widths: Sequence[int], least: Sequence[int], room: int) -> list[int] | None:
    """Return how wide each column of a table is to be, or None if they have no room side by side.

    Args:
        widths: how wide each would like to be, in characters.
        least: what each needs at the least.
        room: for all of them together.
    """
    if sum(least) > room:
        return None
    fitted = [min(width, room) for width in widths]
    while sum(fitted) > room:
        # From whatever is widest, so that long text gives way and names stay on one line.
        spare = [(width, n) for n, width in enumerate(fitted) if width > least[n]]
        fitted[max(spare)[1]] -= 1
    return fitted


def warn(text: str) -> None:
    """Print one paragraph on stderr."""
    sys.stderr.write(visible_lines(text) + "\n")
