"""The report in a real browser: light and dark, on a desk and on a phone. `make browser` runs it.

Screenshots are in the directory that `--basetemp` names, else in pytest's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentlog.report.writing import write
from tests.agentlog.report.reported import HOSTILE, asked, busy
from tests.browser.chromium import Page, chromium, find_chromium

pytestmark = pytest.mark.browser

WIDTHS = (1280, 820, 400)
CONTRAST_MIN = 4.5  # of text on what it stands on: WCAG 2.2, level AA

# Every text that is seen, with its colour and the nearest background there is behind it, as [r, g, b].
TEXTS = r"""
(() => {
  const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const colour = rgb(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const one of document.body.querySelectorAll('*')) {
    if (!one.checkVisibility() || one.closest('title, desc, .skip')) continue;
    const own = [...one.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join('');
    if (!own) continue;
    const style = getComputedStyle(one);
    const svg = one.namespaceURI.endsWith('svg');
    found.push([own.slice(0, 40), rgb(svg ? style.fill : style.color).slice(0, 3), behind(one)]);
  }
  return found;
})()
"""

# Texts of drawings that reach out of their drawing, or over one another, by more than a pixel.
MISPLACED = r"""
(() => {
  const found = [];
  for (const drawing of document.querySelectorAll('svg')) {
    const frame = drawing.getBoundingClientRect();
    if (!frame.width) continue;
    const texts = [...drawing.querySelectorAll('text')];
    const boxes = texts.map((one) => [one.textContent, one.getBoundingClientRect()]);
    for (const [text, box] of boxes) {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1
          || box.top < frame.top - 1) found.push(['outside', text]);
    }
    boxes.forEach(([text, a], n) => boxes.slice(n + 1).forEach(([other, b]) => {
      const over = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const above = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (over > 1 && above > 3) found.push(['over one another', text, other]);
    }));
  }
  return found;
})()
"""

COLOUR = r"getComputedStyle(%s).%s.match(/\d+/g).map(Number)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium here: install one (apt-get install chromium) to look at reports")
    with chromium(program, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in which every name is hostile, long, or both."""
    folder = tmp_path_factory.mktemp("report")
    return write(asked(busy()), folder / "report.html", title=HOSTILE, svg=folder).path


def luminance(colour: list[float]) -> float:
    """As WCAG defines it, 0 for black to 1 for white."""
    parts = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: list[float], other: list[float]) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_report_is_readable_at_every_width_in_light_and_in_dark(
    browser: Page, report: Path, width: int, dark: bool, tmp_path: Path
) -> None:
    """Nothing is wider than the window, cut off, drawn over something else or too faint."""
    browser.open(report, width=width, dark=dark)
    browser.screenshot(tmp_path / f"report-{width}-{'dark' if dark else 'light'}.png")

    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(MISPLACED) == []
    texts: list[Any] = browser.evaluate(TEXTS)
    assert len(texts) > 100
    faint = [(text, one, behind) for text, one, behind in texts if contrast(one, behind) < CONTRAST_MIN]
    assert faint == []
    background = browser.evaluate(COLOUR % ("document.body", "backgroundColor"))
    assert (luminance(background) < 0.1) == dark


def test_nothing_is_loaded_and_nothing_of_the_content_runs(browser: Page, report: Path) -> None:
    """One request: the page itself. No error, no script, no title taken over."""
    browser.open(report, width=1280, dark=False)

    assert browser.evaluate("document.title") == HOSTILE
    assert browser.evaluate("document.scripts.length + document.images.length") == 0
    sent = [one["params"] for one in browser.events if one["method"] == "Network.requestWillBeSent"]
    assert [one["request"]["url"] for one in sent] == [report.as_uri()]
    told = [one for one in browser.events if one["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert told == []


@pytest.mark.parametrize("width", [1280, 400])
def test_every_picture_is_named_and_seen_once(browser: Page, report: Path, width: int) -> None:
    """Of the two drawings of a chart, the one that fits is shown, and read out."""
    browser.open(report, width=width, dark=False)

    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    role = {node["nodeId"]: node.get("role", {}).get("value") for node in nodes}
    images = [node["name"]["value"] for node in nodes if role[node["nodeId"]] in ("image", "img")]
    assert len(images) == browser.evaluate("document.querySelectorAll('figure').length") > 8
    assert all(images)
    headings = [node for node in nodes if role[node["nodeId"]] == "heading"]
    assert len(headings) > len(images)


def test_the_table_of_a_picture_opens_without_a_script(browser: Page, report: Path) -> None:
    """And scrolls by itself, however wide it is."""
    browser.open(report, width=400, dark=True)

    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 400
    assert browser.evaluate("[...document.querySelectorAll('table')].every((one) => one.checkVisibility())")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_chart_is_a_picture_by_itself(browser: Page, report: Path, dark: bool, tmp_path: Path) -> None:
    """Opened as a file, with its own colours."""
    charts = sorted(report.parent.glob("*.svg"))
    assert len(charts) > 8
    for path in charts:
        browser.open(path, width=900, dark=dark)
        browser.screenshot(tmp_path / f"{path.stem}.png")
        paper = browser.evaluate(COLOUR % ("document.querySelector('.paper')", "fill"))
        assert (luminance(paper) < 0.1) == dark
        assert browser.evaluate(MISPLACED) == [], path.name
