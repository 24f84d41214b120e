"""A heat map: values in rows and columns, the more the stronger. Pure."""

from __future__ import annotations

from typing import NamedTuple

from agentlog.charts.drawing import NARROW, Drawing, nothing
from agentlog.charts.markup import Markup, element, joined
from agentlog.charts.scale import every, figure, text_width

_LEAST = 0.16  # opacity of the smallest value that is not 0
_STEPS = 5


class HeatMap(NamedTuple):
    """`values[row][column]`; 0 and None are empty. Values below 0 count as 0."""

    title: str
    description: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    unit: str

    def draw(self, width: float) -> Drawing:
        """Draw the cells, the names of rows and columns, and what the strengths mean."""
        top = max((value or 0 for row in self.values for value in row), default=0)
        if top <= 0:
            return nothing(width)
        left = max(map(text_width, self.rows)) + 14
        step = (width - left) / len(self.columns)
        gap = 2.0 if width < NARROW else 3.0
        tall = min(step, 26.0) if width >= NARROW else 20.0
        parts = []
        for y, (name, values) in enumerate(zip(self.rows, self.values, strict=True)):
            middle = y * tall + tall / 2 + 4 - gap / 2
            parts.append(element("text", name, x=left - 8, y=middle, text_anchor="end"))
            for x, value in enumerate(values):
                told = f"{name} {self.columns[x]}: {figure(value or 0, self.unit)}"
                strength = (value or 0) / top
                parts.append(
                    element(
                        "rect",
                        element("title", told),
                        class_="hot" if strength > 0 else "track",
                        fill_opacity=f"{_LEAST + (1 - _LEAST) * strength:.2f}" if strength > 0 else None,
                        x=left + x * step, y=y * tall, width=max(step - gap, 1.0), height=tall - gap, rx=2.5,
                    )
                )  # fmt: skip
        below = len(self.rows) * tall
        skip = every(len(self.columns), width - left, max(map(text_width, self.columns)) + 10)
        for x, name in enumerate(self.columns):
            if x % skip == 0:
                place = left + x * step + (step - gap) / 2
                parts.append(element("text", name, x=place, y=below + 16, text_anchor="middle"))
        parts += self._scale(width, below + 34, top)
        return Drawing(joined(parts), below + 50)

    def _scale(self, width: float, y: float, top: float) -> list[Markup]:
        most = figure(top, self.unit)
        x = width - text_width(most) - _STEPS * 16 - 8
        parts = [element("text", "0", x=x - 8, y=y + 10, text_anchor="end")]
        for n in range(_STEPS):
            strength = f"{_LEAST + (1 - _LEAST) * n / (_STEPS - 1):.2f}"
            parts.append(
                element(
                    "rect",
                    class_="hot",
                    fill_opacity=strength,
                    x=x + n * 16,
                    y=y,
                    width=13,
                    height=12,
                    rx=2.5,
                )
            )
        parts.append(element("text", most, x=x + _STEPS * 16 + 4, y=y + 10))
        return parts
