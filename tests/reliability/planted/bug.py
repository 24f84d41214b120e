"""What a planted bug is, and how one is put into a copy of the tree. Runs nothing.

A bug is a text of today's source and what a careless programmer would have written instead. The text must
stand in its file exactly once, which a test checks for every bug, so that the table cannot rot.
"""

from __future__ import annotations

from importlib.util import cache_from_source
from pathlib import Path
from typing import NamedTuple

SIMULATE = "simulate"


class Edit(NamedTuple):
    """One text that is replaced by another."""

    file: str
    old: str
    new: str


class Bug(NamedTuple):
    """One deliberate fault.

    Attributes:
        thought: what whoever made this mistake would have said for it.
        suites: who should find it, the quickest first: SIMULATE, or files (or node ids) for pytest.
    """

    name: str
    thought: str
    edits: tuple[Edit, ...]
    suites: tuple[str, ...]


def bug(name: str, thought: str, file: str, old: str, new: str, *suites: str) -> Bug:
    """Make a bug of one replacement."""
    return Bug(name, thought, (Edit(file, old, new),), suites)


def misses(root: Path, planted: Bug) -> list[str]:
    """Return what keeps a bug from being planted in a tree: texts that do not stand there exactly once."""
    found = []
    for edit in planted.edits:
        count = (root / edit.file).read_text().count(edit.old)
        if count != 1:
            found.append(f"{planted.name}: {count} times in {edit.file}: {edit.old!r}")
        if edit.old == edit.new:
            found.append(f"{planted.name}: nothing is replaced in {edit.file}")
    return found


def plant(root: Path, planted: Bug) -> None:
    """Put a bug into a copy of the tree."""
    wrong = misses(root, planted)
    assert not wrong, wrong
    for edit in planted.edits:
        path = root / edit.file
        path.write_text(path.read_text().replace(edit.old, edit.new))
        if path.suffix == ".py":
            # Python tells an old compilation by time and length, which may be the same.
            Path(cache_from_source(path)).unlink(missing_ok=True)
