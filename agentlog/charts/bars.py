"""Vertical bars, stacked: one column per day (or week, or month), one colour per series. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agentlog.charts.drawing import NARROW, Drawing, legend, moved, nothing
from agentlog.charts.markup import Markup, element, joined
from agentlog.charts.scale import every, figure, heights, text_width, ticks
from agentlog.charts.theme import series_class

_PLOT, _PLOT_NARROW = 190.0, 150.0
_FOOT = 24.0


class Series(NamedTuple):
    """Values with a name, one per column; None where there is none."""

    name: str
    values: tuple[float | None, ...]


class Bars(NamedTuple):
    """A stack of bars per column. `unit` is that of the values (scale.figure); none is below 0."""

    title: str
    description: str
    columns: tuple[str, ...]
    series: tuple[Series, ...]
    unit: str

    def draw(self, width: float) -> Drawing:
        """Draw the legend, the axis and the stacks. Values below 0 count as 0."""
        if not self.columns or not self.series:
            return nothing(width)
        above = names_of(self.series, width)
        plot = _PLOT_NARROW if width < NARROW else _PLOT
        sums = [sum(max(s.values[n] or 0, 0) for s in self.series) for n in range(len(self.columns))]
        marks = ticks(max(sums))
        left = axis_width(marks, self.unit)
        room = width - left
        step = room / len(self.columns)
        parts = [axis(marks, self.unit, plot, left, width), column_labels(self.columns, left, room, plot)]
        for n, column in enumerate(self.columns):
            bottom = plot
            values = [series.values[n] for series in self.series]
            thick = min(max(step * 0.72, 1.0), 44.0)
            x = left + step * n + (step - thick) / 2
            for number, height in enumerate(heights(values, marks[-1], plot)):
                if height <= 0:
                    continue
                bottom -= height
                told = f"{column} · {self.series[number].name}: {figure(values[number], self.unit)}"
                parts.append(
                    element(
                        "rect", element("title", told), class_=series_class(number),
                        x=x, y=bottom, width=thick, height=max(height, 0.6), rx=min(1.5, thick / 4),
                    )
                )  # fmt: skip
        return Drawing(
            joined((above.markup, moved(joined(parts), 0, above.height + 6))),
            above.height + 6 + plot + _FOOT,
        )


def names_of(series: Sequence[Series], width: float) -> Drawing:
    """Draw the legend; a single series needs none."""
    if len(series) < 2:
        return Drawing(Markup(""), 0.0)
    return legend([(series_class(n), one.name) for n, one in enumerate(series)], width)


def axis_width(marks: Sequence[float], unit: str) -> float:
    """Return how much room the figures beside a plot need, in pixels."""
    return max(text_width(figure(mark, unit)) for mark in marks) + 10


def axis(marks: Sequence[float], unit: str, plot: float, left: float, width: float) -> Markup:
    """Draw the lines of a vertical axis with their figures; the last mark is at the top."""
    parts = []
    for mark in marks:
        y = plot - mark / marks[-1] * plot
        parts.append(element("line", class_="grid", x1=left, x2=width, y1=y, y2=y))
        parts.append(element("text", figure(mark, unit), x=left - 8, y=y + 4, text_anchor="end"))
    return joined(parts)


def column_labels(columns: Sequence[str], left: float, room: float, plot: float) -> Markup:
    """Write as many of the columns' names as have room below a plot."""
    step = room / len(columns)
    wide = max(text_width(column) for column in columns) + 12
    skip = every(len(columns), room, wide)
    parts = []
    for n, column in enumerate(columns):
        if n % skip:
            continue
        x = left + step * (n + 0.5)
        anchor = "middle"
        if x + text_width(column) / 2 > left + room:
            anchor, x = "end", left + room
        parts.append(element("text", column, x=x, y=plot + 18, text_anchor=anchor))
    return joined(parts)
