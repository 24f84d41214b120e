"""What methods give can be imported from `agentlog`, and the page of types says what is in it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import agentlog
from agentlog.past import PastStore
from tests.docs.test_handles import HANDLES, methods
from tests.docs.types import ours

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "types.md"
GIVING = [
    pytest.param(method, id=f"{handle.__name__}.{name}")
    for handle in (*HANDLES.values(), PastStore)
    for name, method in methods(handle)
]
# Handles, settings and events have pages of their own.
ELSEWHERE = {"AgentlogError", "Settings", "Store", "PastStore", "LocalStore"}
TYPES = [name for name in agentlog.__all__ if name[0].isupper() and name not in {*ELSEWHERE, "ABSENT"}]
# How it is kept; everything of it has another name as well.
INTERNAL = {"Message": {"said", "time_us", "occurred_us", "exact"}}


@pytest.mark.parametrize("method", GIVING)
def test_what_a_method_gives_is_importable(method: Any) -> None:
    """Who annotates a variable with it needs its name."""
    for kind in ours(get_type_hints(method)["return"]):
        assert getattr(agentlog, kind.__name__, None) is kind, f"agentlog.{kind.__name__} is missing"


def members(kind: type[Any]) -> Iterator[str]:
    """Fields first, then properties and methods, in the order of their source; what is inherited too."""
    fields = getattr(kind, "__struct_fields__", None) or getattr(kind, "_fields", ())
    fields = fields or getattr(kind, "__dataclass_fields__", ())
    yield from fields
    for part in reversed(kind.__mro__):
        if part.__module__.split(".")[0] not in ("agentlog", "eventlog", "projections", "replay"):
            continue
        for name, value in vars(part).items():
            if isinstance(value, property) and name not in fields:
                yield name
            elif inspect.isfunction(value):
                yield f"{name}()"


def row(name: str) -> str:
    """A type on one line of the page: its name, what it holds, what its docstring says first."""
    kind = getattr(agentlog, name)
    sentence = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
    held = dict.fromkeys(
        f"`{member}`"
        for member in members(kind)
        if not member.startswith("_") and member not in INTERNAL.get(name, ())
    )
    return f"| `{name}` | {sentence} | {', '.join(held)} |"


def test_every_type_is_on_the_page_with_all_it_holds() -> None:
    """And none that is not there."""
    found = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert sorted(found) == sorted(map(row, TYPES))
