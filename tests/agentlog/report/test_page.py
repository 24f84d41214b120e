"""The page of a report: whole, safe, readable without seeing it, and the same every time."""

from __future__ import annotations

import errno
from collections import Counter
from pathlib import Path

import pytest

from agentlog.report.page import page
from agentlog.report.sections import sections, tiles
from agentlog.report.writing import write
from tests.agentlog.report.reported import HOSTILE, Document, asked, busy
from tests.projections.archive.history import History


@pytest.fixture(scope="module")
def report():
    return asked(busy())


@pytest.fixture(scope="module")
def document(report):
    return Document(page(report, title=HOSTILE))


def test_content_of_agents_is_text_and_never_markup(document):
    """Titles, models, agents, tools, keys: all of them said by somebody else."""
    tags = {tag for tag, _ in document.tags}
    assert tags & {"script", "img", "iframe", "object", "link", "base", "form"} == set()
    assert [name for _, attributes in document.tags for name in attributes if name.startswith("on")] == []
    assert document.open == []  # every element that was opened was closed, in order
    assert ("title", HOSTILE) in document.texts
    assert any(HOSTILE in text for tag, text in document.texts if tag == "td")


def test_the_page_asks_the_network_for_nothing(report, document):
    """One file; a policy says it to the browser as well."""
    text = page(report)

    for attributes in (attributes for _, attributes in document.tags):
        assert not attributes.get("src")
        assert (attributes.get("href") or "#").startswith("#")
    assert "@import" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_every_picture_has_a_title_a_text_and_a_table(document):
    """For those who do not see it, and for those who want the figures."""
    images = [one for one in document.all("svg") if one["role"] == "img"]
    figures = document.all("figure")

    assert len(images) == 2 * len(figures) > 20
    ids = Counter(one["id"] for _, one in document.tags if one.get("id"))
    assert [name for name, count in ids.items() if count > 1] == []
    for image in images:
        assert all(name in ids for name in image["aria-labelledby"].split())
    assert len(document.all("table")) == len(document.all("caption")) == len(figures)
    assert all(one["scope"] == "col" for one in document.all("th"))
    assert document.all("html") == [{"lang": "en"}]
    assert {"main", "header", "footer", "nav", "h1"} <= {tag for tag, _ in document.tags}
    assert {one["href"].removeprefix("#") for one in document.all("a")} <= set(ids)


def test_every_section_is_there_when_there_is_something_for_it(report):
    """And what all of it says in figures stands first."""
    assert [section.name for section in sections(report)] == [
        "spending", "sessions", "tools", "rhythm", "queue",
    ]  # fmt: skip
    found = {tile.name: (tile.value, tile.note) for tile in tiles(report)}
    # 10 × 0.50 + 10 × 0.25, and forty responses nobody knows the price of.
    assert found["Cost"] == ("$7.50", "40 responses of unknown cost")
    assert found["Responses"][0] == "60"
    assert found["Sessions"] == ("3", "1 of them sub-agents")
    # 10 × 500 + 10 × 20 were read, of 10 × 530 + 10 × 25 + 40 × 10.
    assert found["Cache hit rate"][0] == "87.4 %"


def test_a_report_of_nothing_is_a_page_too():
    """A new store, or a period in which nothing was said."""
    for nothing in (asked(History()), asked(busy(), since=None, tenant="nobody")):
        found = Document(page(nothing))

        assert found.all("figure") == []
        assert any("Nothing was said yet" in text for _, text in found.texts)


def test_the_same_log_gives_the_same_page(report):
    """No clock, no chance: two reports can be compared."""
    assert page(report) == page(asked(busy()))


def test_each_chart_is_also_a_file_that_stands_by_itself(report, tmp_path):
    """One per picture, under the picture's name."""
    written = write(report, tmp_path / "r.html", svg=tmp_path / "charts" / "all")

    names = [picture.name for section in sections(report) for picture in section.pictures]
    assert [path.stem for path in written.charts] == names
    assert len(set(names)) == len(names)
    for path in written.charts:
        assert path.read_text().startswith('<?xml version="1.0" encoding="UTF-8"?>\n<svg ')
    assert written.bytes == written.path.stat().st_size
    assert written._repr_html_().startswith("<iframe srcdoc=")
    assert write(report, tmp_path / "r.html").charts == ()


def test_a_report_that_cannot_be_written_leaves_the_one_before(report, tmp_path, monkeypatch):
    """Whole or not at all; no half of a page, and no other file."""
    place = tmp_path / "r.html"
    written = write(report, place).path.read_bytes()
    full = Path.write_bytes

    def no_room(path: Path, content: bytes) -> int:
        full(path, content[:100])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", no_room)
    with pytest.raises(OSError, match="No space"):
        write(report, place, title="another")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert place.read_bytes() == written


def test_a_report_goes_through_a_link_and_into_a_pipe(report, tmp_path):
    """These stay what they are."""
    (tmp_path / "link.html").symlink_to(tmp_path / "r.html")
    size = write(report, tmp_path / "link.html").bytes
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "r.html").stat().st_size == size
    assert write(report, Path("/dev/null")).bytes == size
    assert not Path("/dev/null").is_file()
