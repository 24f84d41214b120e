"""The same line of the same session has the same id for ever; different ones never share one."""

from __future__ import annotations

import uuid

from replay.imports.identity import LineIds, created_id


def ids(session: str, lines: list[bytes], *, tenant: str = "", events: int = 2) -> list[str]:
    made = LineIds("claude-code", tenant, session)
    found = []
    for line in lines:
        made.start(line)
        found += [made.next() for _ in range(events)]
    return found


def test_ids_of_a_line_do_not_depend_on_what_comes_after() -> None:
    """A file that grew keeps the ids it had."""
    assert ids("s", [b"a", b"b", b"a"])[:4] == ids("s", [b"a", b"b"])


def test_equal_lines_and_the_events_of_one_line_have_different_ids() -> None:
    """Queue operations without content repeat to the byte."""
    found = ids("s", [b"a", b"a", b"b"])
    assert len(set(found)) == len(found) == 6


def test_the_same_line_of_another_session_or_tenant_is_another_event() -> None:
    """Two tenants may import the same file."""
    assert not set(ids("s", [b"a"])) & set(ids("t", [b"a"]))
    assert not set(ids("s", [b"a"])) & set(ids("s", [b"a"], tenant="acme"))
    assert created_id("claude-code", "", "s") != created_id("claude-code", "s", "")


def test_ids_are_those_of_the_first_release() -> None:
    """They are promised: another rule would import everything a second time."""
    assert ids("s", [b"{}"], events=1) == ["21ea7b2f-0394-536b-9661-dcaf48e30d44"]
    assert created_id("claude-code", "acme", "s") == "553f857c-99bd-577d-ba02-eff64c9f957b"
    assert uuid.UUID(created_id("claude-code", "", "s")).version == 5
