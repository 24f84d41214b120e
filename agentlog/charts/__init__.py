"""Charts as SVG text, from values alone: pure, no I/O, nothing of a store is known here.

A chart is a frozen value; `svg(chart, width)` draws it for a place so many pixels wide, and
`svg_file(chart)` as a file that stands by itself. Titles, labels and names may hold anything.
"""

from agentlog.charts.bars import Bars, Series
from agentlog.charts.drawing import Chart, svg, svg_file
from agentlog.charts.heat import HeatMap
from agentlog.charts.lines import Lines
from agentlog.charts.ranking import Ranking, RankingRow
from agentlog.charts.timeline import Kind, Lane, Mark, Timeline

__all__ = [
    "Bars", "Chart", "HeatMap", "Kind", "Lane", "Lines", "Mark", "Ranking", "RankingRow", "Series",
    "Timeline", "svg", "svg_file",
]  # fmt: skip
