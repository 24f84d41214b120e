"""Draws any chart: the frame with its text alternative, and the file that stands by itself. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from agentlog.charts.markup import Markup, element, joined
from agentlog.charts.scale import fitted, text_width
from agentlog.charts.theme import style_sheet

NARROW = 480  # pixels; below that labels stand above what they name
FILE_WIDTH = 800
_PADDING = 16.0
_HEADING = 44.0
_LEGEND_ROW = 20.0


class Drawing(NamedTuple):
    """What a chart's figure is made of: markup, and how tall it is in pixels."""

    markup: Markup
    height: float


class Chart(Protocol):
    """A value that can be drawn. `title` names it, `description` says in words what it shows."""

    @property
    def title(self) -> str: ...
    @property
    def description(self) -> str: ...
    def draw(self, width: float) -> Drawing: ...


def svg(chart: Chart, width: int, identity: str) -> Markup:
    """Return a chart as an element of a page with the style sheet of `theme.style_sheet`.

    Args:
        width: of the place it is drawn for, in pixels; text is not scaled with it.
        identity: what its ids begin with; unlike that of every other chart of the page.
    """
    drawing = chart.draw(float(width))
    return _frame(chart, identity, float(width), drawing.height, drawing.markup, {})


def svg_file(chart: Chart, width: int = FILE_WIDTH) -> str:
    """Return a chart as the text of an SVG file, with its title and its own style sheet."""
    drawing = chart.draw(width - 2 * _PADDING)
    height = drawing.height + _HEADING + 2 * _PADDING
    inner = joined(
        (
            element("style", Markup(style_sheet(":root") + ".chart .title{font-size:15px;font-weight:600}")),
            element("rect", class_="paper", width=float(width), height=height),
            element("text", fitted(chart.title, width - 2 * _PADDING, 15), class_="ink title", x=16, y=30),
            element("text", fitted(chart.description, width - 2 * _PADDING), x=16, y=49),
            element("g", drawing.markup, transform=f"translate({_PADDING:.0f} {_PADDING + _HEADING:.0f})"),
        )
    )
    names = {"xmlns": "http://www.w3.org/2000/svg"}
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _frame(
        chart, "chart", float(width), height, inner, names
    )


def _frame(
    chart: Chart, identity: str, width: float, height: float, inner: Markup, names: dict[str, Any]
) -> Markup:
    return element(
        "svg",
        element("title", chart.title, id=f"{identity}-title"),
        element("desc", chart.description, id=f"{identity}-text"),
        inner,
        class_="chart",
        role="img",
        aria_labelledby=f"{identity}-title {identity}-text",
        width=width,
        height=height,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        **names,
    )


def legend(names: list[tuple[str, str]], width: float) -> Drawing:
    """Draw names with their colours, in rows as wide as there is room. `names`: (class, name)."""
    x, row, parts = 0.0, 0, []
    for class_, name in names:
        shown = fitted(name, width - 24)
        needed = 16 + text_width(shown) + 18
        if x and x + needed > width:
            x, row = 0.0, row + 1
        y = row * _LEGEND_ROW
        parts.append(element("rect", class_=class_, x=x, y=y + 2, width=10, height=10, rx=2.5))
        parts.append(element("text", shown, x=x + 16, y=y + 11))
        x += needed
    return Drawing(joined(parts), (row + 1) * _LEGEND_ROW + 6 if names else 0.0)


def moved(markup: Markup, x: float, y: float) -> Markup:
    """Return markup in another place."""
    return element("g", markup, transform=f"translate({x:.1f} {y:.1f})")


def nothing(width: float) -> Drawing:
    """What a chart without any value shows."""
    return Drawing(element("text", "Nothing to show", x=width / 2, y=40.0, text_anchor="middle"), 72.0)
