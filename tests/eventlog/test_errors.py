"""The errors: their tree as the file shows it, and what each carries."""

from __future__ import annotations

import pickle
import re

import pytest

from eventlog import errors
from eventlog.envelope import StreamId
from eventlog.errors import AgentlogError, BadInput, Conflict, LogUnavailable, PostgresTooOld


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    """Whoever catches by class reads that picture first."""
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        entry = re.match(r"    ([│ ├└─]*)([A-Z]\w+)", line)
        if entry:
            depth = len(entry[1]) // 4
            above[depth:] = [entry[2]]
            drawn[entry[2]] = above[depth - 1] if depth else "Exception"
    assert drawn == {name: getattr(errors, name).__bases__[0].__name__ for name in errors.__all__}


def test_every_error_of_the_module_is_exported():
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert classes == set(errors.__all__)


def test_a_message_ends_with_what_to_do():
    error = AgentlogError("the disk is full", hint="free some space")
    assert str(error) == "the disk is full; free some space"
    assert error.hint == "free some space"
    assert str(AgentlogError("it is gone")) == "it is gone"


def test_bad_input_is_a_value_error():
    """Callers who know nothing of agentlog still catch it."""
    with pytest.raises(ValueError, match="too long"):
        raise BadInput("too long")


def test_a_server_too_old_counts_as_unavailable():
    assert issubclass(PostgresTooOld, LogUnavailable)


def test_errors_cross_processes_with_their_values():
    """Process pools pickle what their workers raise."""
    stream = StreamId("acme", "session", "one")
    error = Conflict("it moved", hint="reload", stream=stream, expected_version=3, actual_version=4)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is Conflict
    assert (str(copy), copy.hint) == (str(error), "reload")
    assert (copy.stream, copy.expected_version, copy.actual_version) == (stream, 3, 4)
