"""The page of a report: one HTML document that needs nothing else, no script and no network. Pure."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from agentlog.charts import svg
from agentlog.charts.markup import Markup, element
from agentlog.charts.theme import style_sheet
from agentlog.report.asked import Asked
from agentlog.report.sections import Picture, Section, Tile, sections, tiles
from agentlog.report.table import html_table

# A chart is drawn for the place it has: text that is scaled with a chart is too small on a phone.
WIDE, HALF, SMALL = 1110, 532, 340

# Nothing but what the page holds may be loaded, whatever content slipped into it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(asked: Asked, *, title: str = "What the agents did") -> str:
    """Return the report as the text of an HTML file, UTF-8."""
    shown = sections(asked)
    body = element(
        "body",
        element("a", "Skip to the figures", class_="skip", href="#figures"),
        element(
            "div",
            _header(asked, title, shown),
            element("main", _tiles(tiles(asked)), *map(_section, shown), _empty(shown), id="figures"),
            _footer(asked),
            class_="frame",
        ),
    )
    head = element(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        element("title", title),
        element("style", Markup(style_sheet(":root") + _style())),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


@cache
def _style() -> str:
    return (files("agentlog.report") / "page.css").read_text(encoding="utf-8")


def _header(asked: Asked, title: str, shown: list[Section]) -> Markup:
    [totals] = asked.dicts("totals")
    words = []
    if asked.tenant:
        words.append(f"Tenant {asked.tenant}")
    first, last = totals["first_time"], totals["last_time"]
    if first is not None:
        words.append(f"{first:%B} {first.day}, {first.year} to {last:%B} {last.day}, {last.year} (UTC)")
    words.append(f"as of position {asked.position:,} of the log")
    links = [element("a", section.title, href=f"#{section.name}") for section in shown]
    return element(
        "header",
        element("h1", title),
        element("p", " · ".join(words)),
        element("nav", *links, aria_label="Sections") if links else None,
    )


def _tiles(found: list[Tile]) -> Markup:
    return element(
        "dl",
        *(
            element(
                "div",
                element("dt", tile.name),
                element("dd", tile.value, class_="value"),
                element("dd", tile.note, class_="note"),
                class_="tile",
            )
            for tile in found
        ),
        class_="tiles",
    )


def _section(section: Section) -> Markup:
    heading = f"{section.name}-heading"
    return element(
        "section",
        element("h2", section.title, id=heading),
        element("div", *map(_picture, section.pictures), class_="pictures"),
        id=section.name,
        aria_labelledby=heading,
    )


def _picture(picture: Picture) -> Markup:
    chart, rows = picture.chart, picture.rows
    large = WIDE if picture.wide else HALF
    return element(
        "figure",
        element("figcaption", element("h3", chart.title), element("p", chart.description)),
        element("div", svg(chart, large, f"{picture.name}-large"), class_="large"),
        element("div", svg(chart, SMALL, f"{picture.name}-small"), class_="small"),
        element(
            "details",
            element("summary", "Table"),
            html_table(rows.columns, rows.rows, rows.units, caption=f"{chart.title} ({rows.query})"),
        ),
        class_="wide" if picture.wide else None,
        id=picture.name,
    )


def _empty(shown: list[Section]) -> Markup | None:
    return (
        None if shown else element("p", "Nothing was said yet, in the period and by whom it was asked for.")
    )


def _footer(asked: Asked) -> Markup:
    return element(
        "footer",
        element(
            "p",
            "Made by agentlog from its archive. Each API response counts once. Costs are what sources said,"
            " else estimates from list prices; responses of unknown cost are not in them. Times are UTC.",
        ),
    )
