"""Horizontal bars, the longest first: who cost most, what took longest. Pure."""

from __future__ import annotations

from typing import NamedTuple

from agentlog.charts.drawing import NARROW, Drawing, nothing
from agentlog.charts.markup import element, joined
from agentlog.charts.scale import figure, fitted, text_width
from agentlog.charts.theme import series_class

_ROW, _ROW_NARROW = 28.0, 44.0
_BAR = 14.0
_LABEL_SHARE = 0.42


class RankingRow(NamedTuple):
    """A name with its value; `note` stands behind the value, `series` is its colour."""

    name: str
    value: float | None
    note: str = ""
    series: int = 0


class Ranking(NamedTuple):
    """One bar per row, in the order given. `unit` is that of the values; one that is None has no bar."""

    title: str
    description: str
    rows: tuple[RankingRow, ...]
    unit: str

    def draw(self, width: float) -> Drawing:
        """Draw names, bars and figures; below NARROW pixels the names stand above their bars."""
        if not self.rows:
            return nothing(width)
        narrow = width < NARROW
        longest = max(text_width(row.name) for row in self.rows) + 12
        left = 0.0 if narrow else min(longest, width * _LABEL_SHARE)
        words = [self._figure(row) for row in self.rows]
        room = max(width - left - max(map(text_width, words)) - 10, 40.0)
        top = max((row.value for row in self.rows if row.value is not None), default=0.0)
        parts, y = [], 0.0
        for row, word in zip(self.rows, words, strict=True):
            told = element("title", f"{row.name}: {word}")
            length = max(row.value or 0.0, 0.0) / top * room if top > 0 else 0.0
            bar = y + (20 if narrow else (_ROW - _BAR) / 2)
            name = fitted(row.name, width if narrow else left - 10)
            parts.append(
                element("text", told, name, class_="ink", x=0, y=y + 13 if narrow else bar + _BAR - 3)
            )
            parts.append(element("rect", class_="track", x=left, y=bar, width=room, height=_BAR, rx=3))
            if length > 0:
                parts.append(
                    element(
                        "rect", told, class_=series_class(row.series),
                        x=left, y=bar, width=max(length, 2.0), height=_BAR, rx=3,
                    )
                )  # fmt: skip
            parts.append(element("text", word, x=left + room + 8, y=bar + _BAR - 3))
            y += _ROW_NARROW if narrow else _ROW
        return Drawing(joined(parts), y + 2)

    def _figure(self, row: RankingRow) -> str:
        value = figure(row.value, self.unit)
        return f"{value} · {row.note}" if row.note else value
