"""A timeline: one lane per session, with its span, its messages and what interrupted it. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from agentlog.charts.drawing import NARROW, Drawing, legend, moved, nothing
from agentlog.charts.markup import Markup, element, joined
from agentlog.charts.scale import duration, fitted, text_width, time_ticks
from agentlog.charts.theme import series_class

_ROW, _ROW_NARROW = 26.0, 40.0
_BAR = 13.0
_LABEL_SHARE = 0.28
_INDENT = 14.0
_LEAST = 3.0  # pixels: a moment has to be seen


class Mark(NamedTuple):
    """Something that happened at a moment. `kind` is the place of its kind among the timeline's."""

    moment: datetime
    kind: int
    told: str


class Kind(NamedTuple):
    """What marks of one kind are called, and the colour they have."""

    name: str
    series: int


class Lane(NamedTuple):
    """One line of the timeline; `depth` levels below the lane it came from. Times are UTC."""

    name: str
    first: datetime
    last: datetime
    told: str = ""
    depth: int = 0
    series: int = 0
    marks: tuple[Mark, ...] = ()


class Timeline(NamedTuple):
    """Lanes over one axis of time. `kinds` are those of the marks; earlier ones are drawn above later ones.

    A lane without marks is drawn as a bar, one with marks as a track that they stand on.
    """

    title: str
    description: str
    lanes: tuple[Lane, ...]
    kinds: tuple[Kind, ...] = ()

    def draw(self, width: float) -> Drawing:
        """Draw the legend, the axis and the lanes; below NARROW pixels names stand above their lanes."""
        if not self.lanes:
            return nothing(width)
        narrow = width < NARROW
        row = _ROW_NARROW if narrow else _ROW
        longest = max(text_width(lane.name) + lane.depth * _INDENT for lane in self.lanes) + 12
        left = 0.0 if narrow else min(longest, width * _LABEL_SHARE)
        first = min(lane.first for lane in self.lanes)
        last = max(*(lane.last for lane in self.lanes), first + timedelta(seconds=1))
        scale = _Scale(first, last, left, width)
        above = (
            legend([(series_class(kind.series), kind.name) for kind in self.kinds], width)
            if self.kinds else Drawing(Markup(""), 0.0)
        )  # fmt: skip
        tall = len(self.lanes) * row
        parts = [_axis(scale, tall)]
        for n, lane in enumerate(self.lanes):
            name = fitted(lane.name, (width if narrow else left - 10) - lane.depth * _INDENT)
            y = n * row
            bar = y + (20 if narrow else (row - _BAR) / 2)
            told = element("title", lane.told or lane.name)
            x = lane.depth * _INDENT
            parts.append(
                element("text", told, name, class_="ink", x=x, y=y + 14 if narrow else bar + _BAR - 2)
            )
            parts.append(_lane(lane, self.kinds, told, scale, bar))
        return Drawing(
            joined((above.markup, moved(joined(parts), 0, above.height + 22))), above.height + 22 + tall + 4
        )


class _Scale(NamedTuple):
    """Where a moment is."""

    first: datetime
    last: datetime
    left: float
    right: float

    def x(self, moment: datetime) -> float:
        share = (moment - self.first) / (self.last - self.first)
        return self.left + share * (self.right - self.left)


def _axis(scale: _Scale, tall: float) -> Markup:
    parts = []
    before = -1e9
    for moment, name in time_ticks(scale.first, scale.last, max(2, int((scale.right - scale.left) / 90))):
        x = scale.x(moment)
        parts.append(element("line", class_="grid", x1=x, x2=x, y1=-4.0, y2=tall))
        half = text_width(name) / 2
        place = min(max(x, scale.left + half), scale.right - half)
        if place - half > before:
            parts.append(element("text", name, x=place, y=-9.0, text_anchor="middle"))
            before = place + half + 8
    return joined(parts)


def _lane(lane: Lane, kinds: tuple[Kind, ...], told: Markup, scale: _Scale, bar: float) -> Markup:
    start = min(scale.x(lane.first), scale.right - _LEAST)
    length = max(scale.x(lane.last) - start, _LEAST)
    class_ = "track" if lane.marks else series_class(lane.series)
    parts = [element("rect", told, class_=class_, x=start, y=bar, width=length, height=_BAR, rx=3)]
    seen: set[tuple[int, int]] = set()
    for mark in sorted(lane.marks, key=lambda mark: -mark.kind):
        x = min(scale.x(mark.moment), scale.right - 1)
        # Marks that would cover one another are one: a pixel shows no more.
        if (place := (round(x), mark.kind)) in seen:
            continue
        seen.add(place)
        parts.append(
            element(
                "rect", element("title", mark.told), class_=series_class(kinds[mark.kind].series),
                x=x, y=bar, width=1.6, height=_BAR,
            )
        )  # fmt: skip
    return joined(parts)


def span(first: datetime, last: datetime) -> str:
    """Say from when to when, and how long, in UTC."""
    until = last.strftime("%H:%M" if first.date() == last.date() else "%Y-%m-%d %H:%M")
    return f"{first.strftime('%Y-%m-%d %H:%M')} to {until}, {duration((last - first).total_seconds())}"
