"""Global options before the command."""

from __future__ import annotations

import pytest

from agentlog.cli.application import is_command
from agentlog.cli.arguments import global_options_last


@pytest.mark.parametrize(
    ("words", "moved"),
    [
        ("verify", "verify"),
        ("--data D verify", "verify --data D"),
        ("--data D import claude-code P", "import --data D claude-code P"),
        ("--data=D --json sessions ls -n 3", "sessions ls --data=D --json -n 3"),
        ("sessions --tenant t ls", "sessions ls --tenant t"),
        ("archive --json stat s --data D", "archive stat --json s --data D"),
        # A value that is called like a command stays a value.
        ("--tenant verify status", "status --tenant verify"),
        ("--data", "--data"),
        ("--unknown verify", "--unknown verify"),
        ("sql --json", "sql --json"),
        # What follows the command is the command's, whatever it looks like.
        ("queue enqueue s verify", "queue enqueue s verify"),
        ("sql -- --data", "sql -- --data"),
        ("", ""),
    ],
)
def test_options_before_a_command_are_moved_behind_it(words, moved):
    """People write them first, parsers want them last."""
    assert global_options_last(words.split(), is_command) == moved.split()
