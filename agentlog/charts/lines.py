"""Lines over columns of time, each with its points. Pure."""

from __future__ import annotations

from typing import NamedTuple

from agentlog.charts.bars import Series, axis, axis_width, column_labels, names_of
from agentlog.charts.drawing import NARROW, Drawing, moved, nothing
from agentlog.charts.markup import Markup, element, joined
from agentlog.charts.scale import figure, ticks
from agentlog.charts.theme import series_class

_PLOT, _PLOT_NARROW = 190.0, 150.0
_FOOT = 24.0
_POINTS_MAX = 60  # more points than that hide their line


class Lines(NamedTuple):
    """One line per series. Where a value is missing the line has a gap. `unit` as for Bars.

    `top` is the end of the axis; without it, the axis ends above the highest value.
    """

    title: str
    description: str
    columns: tuple[str, ...]
    series: tuple[Series, ...]
    unit: str
    top: float | None = None

    def draw(self, width: float) -> Drawing:
        """Draw the legend, the axis, the lines and their points. Values below 0 count as 0."""
        values = [value for series in self.series for value in series.values if value is not None]
        if not self.columns or not values:
            return nothing(width)
        above = names_of(self.series, width)
        plot = _PLOT_NARROW if width < NARROW else _PLOT
        marks = ticks(max(values)) if self.top is None else [self.top * n / 4 for n in range(5)]
        left = axis_width(marks, self.unit)
        room = width - left
        parts = [axis(marks, self.unit, plot, left, width), column_labels(self.columns, left, room, plot)]
        step = room / len(self.columns)
        for number, series in enumerate(self.series):
            points = [
                None if value is None
                else (left + step * (n + 0.5), plot - min(max(value, 0) / marks[-1], 1.0) * plot)
                for n, value in enumerate(series.values)
            ]  # fmt: skip
            parts.append(_line(points, number))
            parts += self._points(points, series, number)
        return Drawing(
            joined((above.markup, moved(joined(parts), 0, above.height + 8))),
            above.height + 8 + plot + _FOOT,
        )

    def _points(self, points: list[tuple[float, float] | None], series: Series, number: int) -> list[Markup]:
        size = 3.5 if len(points) <= _POINTS_MAX else 1.5
        return [
            element(
                "circle",
                element("title", f"{column} · {series.name}: {figure(value, self.unit)}"),
                class_=f"dot {series_class(number)}", cx=point[0], cy=point[1], r=size,
            )
            for point, column, value in zip(points, self.columns, series.values, strict=True)
            if point is not None
        ]  # fmt: skip


def _line(points: list[tuple[float, float] | None], number: int) -> Markup:
    words, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        words.append(f"{pen}{point[0]:.1f} {point[1]:.1f}")
        pen = "L"
    return element("path", class_=f"line {series_class(number)}", d=" ".join(words))
