"""What reaches a terminal."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlog.cli.show import Output, cell, fit, to_json, visible, visible_lines

# What terminals obey, and what makes text look like other text.
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
HOSTILE = ["\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "a\rb", "\x08\x08", "\u202egnp.exe", "\x00", "\ud800"]


@given(st.text())
def test_no_text_reaches_a_terminal_as_a_command(text):
    """Tool output is written by strangers."""
    assert not COMMANDS.search(visible(text))
    assert "\n" not in visible(text)
    assert not COMMANDS.search(visible_lines(text))


@given(st.recursive(st.text() | st.none(), lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner)))
def test_json_says_the_same_and_holds_no_command(value):
    """Programs get the exact text; a terminal that shows it gets escapes."""
    text = to_json(value)

    assert not COMMANDS.search(text)
    assert "\n" not in text
    assert json.loads(text) == value


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("people", [True, False])
def test_no_answer_lets_content_through(capsys, text, as_json, people):
    """Tables, records and headings alike."""
    output = Output(as_json)
    output.people = people and not as_json
    output.table(["column", text.encode(errors="replace").decode()], [[text, {"inner": text}]], title=text)
    output.record({"value": text}, title=text)
    output.say(text)

    # Styling of our own is plain SGR; captured output is no terminal, so there is none of it either.
    assert not COMMANDS.search(capsys.readouterr().out)


def test_markup_in_content_is_shown_as_it_is(capsys):
    """`[red]` in a message is what somebody wrote, no colour."""
    output = Output(False)
    output.people = True
    output.table(["text"], [["[red]x[/red] :smile: [/]"]])

    assert "[red]x[/red] :smile: [/]" in capsys.readouterr().out


def test_values_are_written_for_whoever_reads_them():
    """Separators for people, none for programs; decimals without an exponent."""
    assert cell(1234567, people=True) == "1,234,567"
    assert cell(1234567, people=False) == "1234567"
    assert cell(Decimal("0.0500"), people=False) == "0.05"
    assert cell(Decimal("1E+3"), people=False) == "1000"
    assert cell(True, people=False) == "yes"
    assert cell(None, people=False) == ""
    assert cell(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), people=True) == "2026-01-02 03:04:05"


def test_plain_rows_have_one_line_and_tabs_between_values_below_their_names(capsys):
    """So that cut and sort can be used on them, and whoever looks into a file knows what is what."""
    output = Output(False)
    output.table(["a", "b"], [["x\ty", "1\n2"], [None, 3]])

    assert capsys.readouterr().out == "a\tb\nx\\ty\t1\\n2\n\t3\n"

    output.table(["a", "b"], [["it", "goes on"]])
    output.table(["c", "b"], [])
    assert capsys.readouterr().out == "it\tgoes on\nc\tb\n"


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=8), st.integers(1, 120)
)
def test_a_table_is_never_wider_than_the_terminal_and_no_column_narrower_than_it_can_be(columns, room):
    """What does not fit is shown one below the other; nothing is cut off."""
    least = [min(pair) for pair in columns]
    widths = [max(pair) for pair in columns]

    fitted = fit(widths, least, room)

    if sum(least) > room:
        assert fitted is None
    else:
        assert sum(fitted) <= room
        assert all(low <= width <= high for low, width, high in zip(least, fitted, widths, strict=True))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_terminal_is_too_narrow_for_a_number_or_a_name(capsys, monkeypatch, width):
    """1,272 tokens without the last digit are 1,27; a session key without its end is no key."""
    monkeypatch.setenv("COLUMNS", str(width))
    output = Output(False)
    output.people = True
    key = "3e1d1881-f535-5122-8214-6:a7c41e9"
    output.table(
        ["session", "title", "responses", "cache_read_tokens", "cost_usd", "last_time"],
        [[key, "tide " * 20, 12, 168850, Decimal("1.2612"), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)]],
    )

    lines = capsys.readouterr().out.splitlines()
    for text in (key, "responses", "tide", "168,850", "1.2612", "2026-01-02 03:04:05"):
        assert any(text in line for line in lines), text
    assert max(map(len, lines)) <= width
