"""Writes a report: the page, and its charts as files where that is asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from agentlog.charts import svg_file
from agentlog.charts.markup import element
from agentlog.report.asked import Asked
from agentlog.report.page import page
from agentlog.report.sections import sections

TITLE = "What the agents did"


class Report(NamedTuple):
    """What was written.

    Attributes:
        path: of the page; `bytes` is its size.
        charts: paths of the charts' SVG files; empty where none were asked for.
        position: the report holds everything up to this position of the log.
    """

    path: Path
    bytes: int
    charts: tuple[Path, ...]
    position: int

    def _repr_html_(self) -> str:
        """In a notebook: the page itself, in a frame."""
        return element(
            "iframe", srcdoc=self.path.read_text(encoding="utf-8"), width="100%", height=800,
            style="border:0", sandbox="", title="Report",
        )  # fmt: skip


def write(asked: Asked, path: Path, *, title: str = TITLE, svg: Path | None = None) -> Report:
    """Write the page to `path`, and each chart to `svg`/<name>.svg; what is there is replaced.

    The directory `svg` is made when missing. Raises OSError.
    """
    text = page(asked, title=title).encode()
    _replace(path, text)
    charts = []
    if svg is not None:
        svg.mkdir(parents=True, exist_ok=True)
        for section in sections(asked):
            for picture in section.pictures:
                chart = svg / f"{picture.name}.svg"
                _replace(chart, svg_file(picture.chart).encode())
                charts.append(chart)
    return Report(path, len(text), tuple(charts), asked.position)


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a full disk, or a kill, leaves what was there before."""
    if path.exists() and not path.is_file():  # a pipe or a device has nothing to be kept
        path.write_bytes(content)
        return
    path = path.resolve()  # a link stays one
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
