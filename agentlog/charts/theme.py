"""Colours and type of charts, light and dark, as a style sheet. Pure.

Charts say what a thing is (`s1`, `grid`, `soft`), the style sheet says how it looks, so that one drawing
is right in both. The series' colours keep their distance for the colour-blind, and every text has a
contrast of 4.5 or more to what it stands on.
"""

from __future__ import annotations

SERIES_MAX = 7  # further series share the last colour, of what is left

_LIGHT = {
    "ink": "#1c2127", "soft": "#59636e", "grid": "#e4e7eb", "card": "#ffffff", "hot": "#2f6fde",
    "s1": "#2f6fde", "s2": "#e07b2a", "s3": "#13907c", "s4": "#a14db8", "s5": "#cf3a56", "s6": "#7d8a12",
    "s7": "#6a5ee0", "s8": "#8b95a1",
}  # fmt: skip
_DARK = {
    "ink": "#e8ebef", "soft": "#9ba6b2", "grid": "#2b323b", "card": "#171b21", "hot": "#6ea0ff",
    "s1": "#6ea0ff", "s2": "#f2a161", "s3": "#43c4ac", "s4": "#d08ae2", "s5": "#f27389", "s6": "#b7c552",
    "s7": "#a79dff", "s8": "#78838f",
}  # fmt: skip

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def series_class(number: int) -> str:
    """Return the class of the n-th series, from 0."""
    return f"s{min(number, SERIES_MAX) + 1}"


def style_sheet(scope: str) -> str:
    """Return the rules of charts below `scope`, a CSS selector: colours for light and dark, and shapes."""
    fills = "".join(f".chart .s{n}{{fill:var(--s{n})}}" for n in range(1, SERIES_MAX + 2))
    strokes = "".join(f".chart .line.s{n}{{stroke:var(--s{n});fill:none}}" for n in range(1, SERIES_MAX + 2))
    return (
        f"{scope}{{color-scheme:light dark;{_variables(_LIGHT)}}}"
        f"@media (prefers-color-scheme:dark){{{scope}{{{_variables(_DARK)}}}}}"
        f".chart{{font-family:{_FONT};font-size:12px;font-variant-numeric:tabular-nums}}"
        ".chart text{fill:var(--soft)}"
        ".chart .ink{fill:var(--ink)}"
        ".chart .grid{stroke:var(--grid);stroke-width:1;shape-rendering:crispEdges}"
        ".chart .track{fill:var(--grid)}"
        ".chart .hot{fill:var(--hot)}"
        ".chart .line{stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
        ".chart .dot{stroke:var(--card);stroke-width:1.5}"
        ".chart .mark{stroke:var(--ink);stroke-width:1.5}"
        ".chart .paper{fill:var(--card)}" + fills + strokes
    )


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())
