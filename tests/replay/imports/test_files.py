"""Every path gives files or a reason."""

from __future__ import annotations

import os
from pathlib import Path

from replay.imports.files import find_files


def names(root: Path, *paths: Path) -> list[str]:
    found, errors = find_files(paths)
    assert not errors
    return [str(file.path.relative_to(root)) for file in found]


def test_a_directory_gives_its_transcripts_at_any_depth_in_order(tmp_path: Path) -> None:
    """Sub-agents lie two levels below; other files are not transcripts."""
    for name in ("b.jsonl", "a.jsonl", "a/subagents/agent-1.jsonl", "notes.md", "a.jsonl.bak"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert names(tmp_path, tmp_path) == ["a/subagents/agent-1.jsonl", "a.jsonl", "b.jsonl"]


def test_a_file_is_taken_whatever_its_name_and_only_once(tmp_path: Path) -> None:
    """Named twice, by a link, or by itself and its directory."""
    path = tmp_path / "a.jsonl"
    path.write_text("x")
    other = tmp_path / "transcript.txt"
    other.write_text("x")
    os.symlink(path, tmp_path / "link.jsonl")
    assert names(tmp_path, path, tmp_path, other, path) == ["a.jsonl", "transcript.txt"]


def test_a_path_without_files_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A missing path and an empty directory; the others are found."""
    path = tmp_path / "a.jsonl"
    path.write_text("x")
    empty = tmp_path / "empty"
    empty.mkdir()
    found, errors = find_files([tmp_path / "nowhere", empty, path])
    assert [file.path for file in found] == [path]
    assert "nowhere cannot be imported: No such file or directory;" in str(errors[0])
    assert f"{empty} holds no *.jsonl file" in str(errors[1])


def test_what_cannot_be_opened_costs_no_other_file_of_its_directory(tmp_path: Path) -> None:
    """A link to nowhere, a pipe that nobody writes to."""
    (tmp_path / "a.jsonl").write_text("x")
    os.symlink(tmp_path / "nowhere", tmp_path / "b.jsonl")
    os.mkfifo(tmp_path / "c.jsonl")
    found, errors = find_files([tmp_path])
    assert [file.path.name for file in found] == ["a.jsonl"]
    assert "b.jsonl cannot be imported: No such file or directory;" in str(errors[0])
    assert "c.jsonl is no regular file" in str(errors[1])
