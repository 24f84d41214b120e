"""One chart of each kind, and what can be read from a drawing. Holds no test."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

from agentlog.charts import (
    Bars,
    Chart,
    HeatMap,
    Kind,
    Lane,
    Lines,
    Mark,
    Ranking,
    RankingRow,
    Series,
    Timeline,
    svg,
)

NAMESPACE = "{http://www.w3.org/2000/svg}"


def at(minute: int) -> datetime:
    return datetime(2026, 11, 1, 12, minute, tzinfo=UTC)


def charts(name: str = "name", value: float = 2.0) -> list[Chart]:
    """One of each kind, with `name` wherever text can stand."""
    series = (Series(name, (value, None, 1.0)), Series("other", (0.0, 3.0, 1.0)))
    columns = (name, "Nov 2", "Nov 3")
    marks = (Mark(at(1), 0, name), Mark(at(2), 1, name))
    return [
        Bars(name, name, columns, series, "USD"),
        Lines(name, name, columns, series, "fraction", 4.0),
        Ranking(name, name, (RankingRow(name, value, name), RankingRow("none", None)), "seconds"),
        HeatMap(name, name, (name, "b"), ("0", "1"), ((value, 0.0), (None, 1.0)), "count"),
        Timeline(
            name, name,
            (Lane(name, at(0), at(30), name), Lane("child", at(1), at(2), "", 1, 1, marks)),
            (Kind(name, 0), Kind("error", 4)),
        ),
    ]  # fmt: skip


def empty_charts() -> list[Chart]:
    """One of each kind without anything in it."""
    return [
        Bars("t", "d", (), (), "USD"), Lines("t", "d", (), (), "USD"), Ranking("t", "d", (), "USD"),
        HeatMap("t", "d", ("a",), ("b",), ((None,),), "count"), Timeline("t", "d", ()),
    ]  # fmt: skip


def drawn(chart: Chart, width: int = 600) -> ElementTree.Element:
    """The drawing as a tree: what is no well-formed XML raises."""
    return ElementTree.fromstring(svg(chart, width, "it"))


def shapes(chart: Chart, tag: str, class_: str, width: int = 600) -> list[dict[str, Any]]:
    """The attributes of all elements of that tag and class."""
    return [one.attrib for one in drawn(chart, width).iter(tag) if class_ in one.get("class", "").split()]


def texts(chart: Chart, width: int = 600) -> list[str]:
    """What can be read in a drawing."""
    found = drawn(chart, width).iter("text")
    return [(one.text or "") + "".join(child.tail or "" for child in one) for one in found]
