"""The page of all handles says what there is, method by method; and all of them share their words."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from agentlog.access import Access
from agentlog.alias import Aliases
from agentlog.archive import Archives
from agentlog.conversation import Conversations
from agentlog.delivery import Delivery
from agentlog.external import ExternalJobs
from agentlog.keyvalue import KeyValues
from agentlog.local import LocalStore
from agentlog.plan import Plans
from agentlog.queue import Queue
from agentlog.replays import Replays
from agentlog.schedule import Schedules
from agentlog.session import Sessions
from agentlog.store import Store
from agentlog.task import Tasks
from eventlog.log import Log
from tests.docs.types import name_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "handles.md"
HANDLES: dict[str, type[Any]] = {
    "store": Store,
    "store.sessions": Sessions,
    "store.sessions.aliases": Aliases,
    "store.conversation": Conversations,
    "store.archive": Archives,
    "store.queue": Queue,
    "store.tasks": Tasks,
    "store.external": ExternalJobs,
    "store.schedule": Schedules,
    "store.plan": Plans,
    "store.keyvalue": KeyValues,
    "store.access": Access,
    "store.delivery": Delivery,
    "store.replay": Replays,
    "store.local": LocalStore,
    "store.log": Log,
}
# For a worker's loop, and for what stands beside a handle.
INTERNAL = {"claim_for", "generation_window", "position", "standing"}
# A store closes its log itself, and asks it what its handles need.
OF_THE_STORE = {"close", "state", "reload", "catch_up"}
# Said once for all of them.
SHARED = {"self", "tenant", "meta"}


def methods(handle: type[Any]) -> Iterator[tuple[str, Any]]:
    """Public methods: those of the base first, in the order of their source."""
    found: dict[str, Any] = {}
    for part in reversed(handle.__mro__[:-1]):
        found |= {name: method for name, method in vars(part).items() if inspect.isfunction(method)}
    hidden = INTERNAL | OF_THE_STORE if handle is Log else INTERNAL
    return (
        (name, method) for name, method in found.items() if not name.startswith("_") and name not in hidden
    )


def row(name: str, method: Any) -> str:
    """A method on one line of the page: how it is called, what it gives, what its docstring says first."""
    said = []
    for parameter in inspect.signature(method).parameters.values():
        if parameter.name in SHARED:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not any(one.startswith("*") for one in said):
            said.append("*")
        text = str(parameter.replace(annotation=parameter.empty))
        said.append(text.replace("'", '"'))
    if said[-1:] == ["*"]:
        said.pop()
    sentence = " ".join((inspect.getdoc(method) or "").split("\n\n")[0].split())
    gives = name_of(get_type_hints(method)["return"]).replace("|", "\\|")
    return f"| `{name}({', '.join(said)})` | {f'`{gives}`' if gives != 'None' else ''} | {sentence} |"


@pytest.mark.parametrize("place", HANDLES)
def test_every_method_of_a_handle_is_on_the_page(place: str) -> None:
    """As it is called, and with what its docstring says first; and none that is not there."""
    text = PAGE.read_text().split(f"\n## `{place}`\n", 1)[1].split("\n## ", 1)[0]
    found = [line for line in text.splitlines() if line.startswith("| `")]
    assert found == [row(name, method) for name, method in methods(HANDLES[place])]


APPENDING = [
    (f"{handle.__name__}.{name}", inspect.signature(method).parameters)
    for handle in HANDLES.values()
    for name, method in methods(handle)
    if "Receipt" in str(inspect.signature(method).return_annotation)
    # A command has its own; a receipt is no news.
    if handle is not Log and name != "receipt"
]


def test_what_appends_takes_meta_and_a_tenant_by_keyword() -> None:
    """`meta` says who did it; the tenant is in `held`, where something is held."""
    for method, parameters in APPENDING:
        wanted = {"tenant"} if "held" not in parameters else set()
        # Each event that a fork copies keeps what its own meta says.
        wanted |= {"meta"} if method != "Replays.fork" else set()
        for name in wanted:
            assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY, method
            assert parameters[name].default is None, method


def test_lists_come_in_pages_of_a_hundred() -> None:
    """`limit` and `after`, by keyword."""
    lists = [
        (name, inspect.signature(method).parameters)
        for handle in HANDLES.values()
        for name, method in methods(handle)
        if name in ("list", "pairings", "permissions")
    ]
    assert len(lists) > 8
    for _, parameters in lists:
        assert (parameters["limit"].default, parameters["after"].default) == (100, None)
        assert parameters["limit"].kind is parameters["after"].kind is inspect.Parameter.KEYWORD_ONLY


def test_every_unit_stands_in_the_name_of_its_argument() -> None:
    """Seconds are `_s`, bytes `_bytes` or `bytes_max`; how many at the most is `limit`."""
    unsaid = {"timeout", "ttl", "delay", "lease_seconds", "interval", "max", "size"}
    for handle in HANDLES.values():
        for name, method in methods(handle):
            assert not unsaid & set(inspect.signature(method).parameters), f"{handle.__name__}.{name}"
