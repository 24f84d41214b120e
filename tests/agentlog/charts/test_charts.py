"""Charts: what a bar's length is, where a moment lies, and that no content is ever markup."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentlog.charts import Bars, HeatMap, Lines, Ranking, RankingRow, Series, Timeline, svg, svg_file
from agentlog.charts.bars import axis_width
from agentlog.charts.drawing import NARROW, legend
from agentlog.charts.heat import HeatMap as Heat
from agentlog.charts.lines import Lines as SameLines
from agentlog.charts.markup import element, escaped, joined
from agentlog.charts.ranking import Ranking as SameRanking
from agentlog.charts.theme import SERIES_MAX, series_class, style_sheet
from agentlog.charts.timeline import Kind, Lane, Mark, span
from tests.agentlog.charts.drawn import NAMESPACE, at, charts, drawn, empty_charts, shapes, texts

HOSTILE = "</text></svg><script>alert(1)</script>\"' onload=x & \x00\x1b[2J\ud800\u202e<!--"


@pytest.mark.parametrize("width", [340, 600, 1110])
@pytest.mark.parametrize("number", range(5))
def test_hostile_names_are_text_and_nothing_else(number, width):
    """Titles come from agents and from whoever wrote to them; the drawing stays a tree of known elements."""
    for text in (svg(charts(HOSTILE)[number], width, "it"), svg_file(charts(HOSTILE)[number], width)):
        tree = ElementTree.fromstring(text.encode())
        tags = {one.tag.removeprefix(NAMESPACE) for one in tree.iter()}
        attributes = {name for one in tree.iter() for name in one.attrib}
        plain = ElementTree.fromstring(svg_file(charts()[number], width).encode())
        assert tags <= {one.tag.removeprefix(NAMESPACE) for one in plain.iter()}
        assert attributes <= {name for one in plain.iter() for name in one.attrib} | {"id"}
        assert "<script" not in text
        assert "\x1b" not in text


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(), max_size=40), st.floats(0, 1e15), st.sampled_from((340, 700)))
def test_whatever_a_chart_holds_its_drawing_is_well_formed(name, value, width):
    """Any text, any size."""
    for chart in charts(name, value):
        tree = drawn(chart, width)
        assert tree.get("role") == "img"
        assert float(tree.get("height")) > 0


@pytest.mark.parametrize("chart", [*charts("A title"), *empty_charts()], ids=lambda one: type(one).__name__)
def test_a_chart_has_a_title_and_a_text_alternative(chart):
    """For those who do not see it; the ids are of this chart alone."""
    tree = drawn(chart)

    title, text = tree.find("title"), tree.find("desc")
    assert (title.text, text.text) == (chart.title, chart.description)
    assert tree.get("aria-labelledby").split() == [title.get("id"), text.get("id")]


@pytest.mark.parametrize("chart", empty_charts(), ids=lambda one: type(one).__name__)
def test_a_chart_of_nothing_says_so(chart):
    """And is no error."""
    assert texts(chart) == ["Nothing to show"]


def test_bars_stand_on_one_another_and_are_as_tall_as_their_values():
    """Of an axis up to 4, a column of 3 and 1 takes all of it."""
    chart = Bars("t", "d", ("a", "b"), (Series("x", (3.0, 1.0)), Series("y", (1.0, None))), "count")

    (first, second), (above,) = shapes(chart, "rect", "s1")[1:], shapes(chart, "rect", "s2")[1:]
    assert float(first["height"]) == pytest.approx(3 * float(second["height"]), abs=0.2)
    assert float(above["height"]) == pytest.approx(float(second["height"]), abs=0.1)
    assert float(above["y"]) == pytest.approx(0, abs=0.1)
    assert float(above["y"]) + float(above["height"]) == pytest.approx(float(first["y"]), abs=0.2)
    assert axis_width([0, 10], "count") > axis_width([0, 1], "count")


def test_series_beyond_the_colours_share_the_last():
    """More colours than that cannot be told apart."""
    assert len({series_class(n) for n in range(SERIES_MAX + 5)}) == SERIES_MAX + 1


def test_a_line_has_a_gap_where_a_value_is_missing():
    """Two strokes, three points."""
    chart = Lines("t", "d", ("a", "b", "c", "d"), (Series("x", (0.5, 0.5, None, 1.0)),), "fraction", 1.0)

    [path] = shapes(chart, "path", "line")
    assert path["d"].count("M") == 2
    assert len(shapes(chart, "circle", "dot")) == 3
    assert float(shapes(chart, "circle", "dot")[2]["cy"]) == 0


def test_a_ranking_is_as_long_as_its_values_and_names_what_has_none():
    """Half the value, half the length; unknown is a dash and no bar."""
    rows = (RankingRow("a", 4.0), RankingRow("b", 2.0), RankingRow("c", None, "note"))
    chart = Ranking("t", "d", rows, "USD")

    first, second = shapes(chart, "rect", "s1")
    assert float(first["width"]) == pytest.approx(2 * float(second["width"]), abs=0.2)
    assert texts(chart) == ["a", "$4", "b", "$2", "c", "– · note"]
    narrow = shapes(chart, "text", "ink", NARROW - 1)
    assert {one["x"] for one in narrow} == {"0"}


def test_a_heat_map_is_the_stronger_the_more_there_is():
    """Nothing is no faint something."""
    chart = HeatMap("t", "d", ("a",), ("1", "2", "3"), ((0.0, 1.0, 2.0),), "count")

    strong = [float(one["fill-opacity"]) for one in shapes(chart, "rect", "hot")][:2]
    assert strong == [pytest.approx(0.58), 1.0]
    assert len(shapes(chart, "rect", "track")) == 1


def test_moments_lie_on_a_timeline_where_their_time_is():
    """A mark in the middle of the time is in the middle of the lane; the first kind is drawn last."""
    marks = (Mark(at(10), 0, "x"), Mark(at(10), 1, "y"), Mark(at(10), 1, "again"))
    kinds = (Kind("first", 0), Kind("second", 1))
    chart = Timeline("t", "d", (Lane("a", at(0), at(20), "", 0, 0, marks),), kinds)

    [track] = shapes(chart, "rect", "track")
    middle = float(track["x"]) + float(track["width"]) / 2
    places = [float(one.get("x")) for one in drawn(chart).iter("rect") if one.get("width") == "1.6"]
    assert places == [pytest.approx(middle, abs=0.2)] * 2
    classes = [one.get("class") for one in drawn(chart).iter("rect") if one.get("width") == "1.6"]
    assert classes == ["s2", "s1"]
    assert span(at(0), at(20)) == "2026-11-01 12:00 to 12:20, 20 min"


def test_a_moment_is_seen_however_long_the_time_around_it():
    """A session of a second, in a year."""
    late = at(0).replace(year=2027)
    chart = Timeline("t", "d", (Lane("a", at(0), at(0)), Lane("b", late, late)))

    for bar in shapes(chart, "rect", "s1"):
        assert float(bar["width"]) >= 3
        assert float(bar["x"]) + float(bar["width"]) <= 600


def test_a_legend_takes_as_many_rows_as_it_needs():
    """And no name is wider than there is room."""
    one = legend([("s1", "a"), ("s2", "b")], 400)
    many = legend([("s1", "x" * 500)] * 3, 400)

    assert many.height > one.height
    assert "…" in many.markup


def test_markup_is_made_in_one_place():
    """What is no markup is escaped there; what is, is not escaped twice."""
    inner = element("b", "<&>")

    assert str(inner) == "<b>&lt;&amp;&gt;</b>"
    assert str(element("a", inner, None, href='"', aria_label="x", title=None)) == (
        '<a href="&quot;" aria-label="x"><b>&lt;&amp;&gt;</b></a>'
    )
    assert escaped("a\x00\ud800") == "a\ufffd\ufffd"
    assert joined(["<", inner]) == "&lt;" + inner
    assert str(element("rect", x=1.0, y=-0.01)) == '<rect x="1" y="0"/>'


def test_colours_are_told_for_light_and_for_dark():
    """Each name in both, so that nothing is left black on black."""
    light, dark = style_sheet(":root").split("@media (prefers-color-scheme:dark)")

    for name in ("ink", "soft", "grid", "card", "hot", *(f"s{n}" for n in range(1, SERIES_MAX + 2))):
        assert f"--{name}:#" in light.split("}")[0]
        assert f"--{name}:#" in dark.split("}")[0]


def test_the_names_of_the_package_are_those_of_its_files():
    """Imported from either, they are the same."""
    assert (Heat, SameLines, SameRanking) == (HeatMap, Lines, Ranking)
