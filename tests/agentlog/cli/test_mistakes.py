"""What newcomers type, and what they are told."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from agentlog.cli import main
from agentlog.cli.running import guarded
from tests.agentlog.cli.conftest import Cli


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["grep", "word"], "`agentlog archive grep`"),
        (["archive", "sql", "select 1"], "`agentlog sql`"),
        (["ls"], "`agentlog sessions ls`, `agentlog sessions alias ls`, `agentlog queue ls`"),
    ],
)
def test_a_command_that_is_elsewhere_is_shown_there(capfd: pytest.CaptureFixture[str], words, place):
    """And one that is nowhere is not."""
    assert main(words) == 2
    assert f"here; there is {place}" in capfd.readouterr().err
    assert main(["grepp"]) == 2
    assert "there is `" not in capfd.readouterr().err


@pytest.mark.parametrize("format", ["auto", "claude-code", "rsclaw"])
def test_nothing_is_made_for_an_import_of_nothing(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, format: str
):
    """A mistyped path is named once, and leaves no store behind."""
    where, data = tmp_path / "nowhere", tmp_path / "data"
    assert main(["--data", str(data), "import", format, str(where)]) == 2
    told = capfd.readouterr().err
    assert f"{where} cannot be imported: No such file or directory; mend that" in told
    assert told.count(str(where)) == 1
    assert not data.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["keyvalue", "get", "k"], "there is no value in namespace '' under key 'k'"),
        (["delivery", "show", "k"], "there is no delivery with key 'k'"),
        (["plan", "show", "s"], "there is no current plan of session 's'"),
        (["plan", "show", "s", "--plan", "p"], "there is no plan 'p' of session 's'"),
        (["sessions", "heads", "s"], "there is no session 's'"),
        (["sessions", "summaries", "s"], "there is no session 's'"),
        (["sessions", "compactions", "s"], "there is no session 's'"),
    ],
)
def test_what_is_not_there_is_said(cli: Cli, words: list[str], said: str):
    """Silence and a status that nobody looks at would be taken for an answer."""
    answer = cli(*words)
    assert (answer.status, answer.out) == (1, "")
    assert said in answer.err


def test_a_session_that_has_nothing_to_list_is_no_mistake(cli: Cli):
    """It is there, and has nothing yet."""
    cli("sessions", "create", "s")
    for command in ("heads", "summaries", "compactions"):
        answer = cli("sessions", command, "s")
        assert (answer.status, answer.lines, answer.err) == (0, [], "")


@pytest.mark.parametrize("words", [["report"], ["schedule", "export"], ["schedule", "watch"]])
def test_a_file_in_no_directory_is_refused_by_its_name(cli: Cli, tmp_path: Path, words: list[str]):
    """Not by that of the temporary file which comes first."""
    path = tmp_path / "nowhere" / "file"
    answer = cli(*words, str(path))
    assert answer.status == 2
    assert f"{path} cannot be written: there is no directory {path.parent}; make it first" in answer.err


def test_patterns_and_days_are_explained(cli: Cli):
    """In words of the command line."""
    cli("sessions", "append", "s", "hello")
    assert "the pattern '(' is no regular expression (RE2)" in cli("archive", "grep", "(").err
    answer = cli("archive", "query", "tokens_by_day", "since=foo")
    assert "since is 'foo' and must be a date such as 2026-11-01; give a day of UTC, or none" in answer.err


def test_a_day_is_a_time(cli: Cli):
    """Its beginning in UTC; a time without a zone is refused: it would mean another moment elsewhere."""
    cli("sessions", "append", "s", "hello")
    assert cli("archive", "grep", "hello", "--since", "2026-01-01", "--json").rows[0]["session"] == "s"
    assert cli("archive", "grep", "hello", "--until", "2026-01-01", "--json").rows == []
    assert "has no time zone" in cli("archive", "grep", "hello", "--since", "2026-01-01T10:00:00").err
    assert "is not an RFC 3339 time" in cli("archive", "grep", "hello", "--since", "2026-13-01").err


def test_a_full_disk_is_said_with_what_to_do(capsys):
    """Where the system names no file as well: a number in brackets helps nobody."""

    def full() -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert guarded(full) == 1
    said = "agentlog: No space left on device; free some space, then run the command again\n"
    assert capsys.readouterr().err == said
