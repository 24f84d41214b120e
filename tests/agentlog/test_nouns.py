"""Whoever learnt one noun knows them all: the same arguments, by the same names, in every handle."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from agentlog.access import Access
from agentlog.alias import Aliases
from agentlog.archive import Archives
from agentlog.conversation import Conversations
from agentlog.delivery import Delivery
from agentlog.external import ExternalJobs
from agentlog.keyvalue import KeyValues
from agentlog.plan import Plans
from agentlog.queue import Queue
from agentlog.replays import Replays
from agentlog.schedule import Schedules
from agentlog.session import Sessions
from agentlog.task import Tasks

HANDLES = (
    Access, Aliases, Archives, Conversations, Delivery, ExternalJobs, KeyValues, Plans, Queue, Replays,
    Schedules, Sessions, Tasks,
)  # fmt: skip
# Ends of what is claimed say whose it is by what they were given.
CLAIMED = "held"


def methods() -> Iterator[tuple[str, inspect.Signature]]:
    for handle in HANDLES:
        for name, method in inspect.getmembers(handle, inspect.isfunction):
            if not name.startswith("_"):
                yield f"{handle.__name__}.{name}", inspect.signature(method)


METHODS = dict(methods())


def names(signature: inspect.Signature) -> list[str]:
    return [name for name in signature.parameters if name != "self"]


@pytest.mark.parametrize("method", [name for name, said in METHODS.items() if "Receipt" in str(said)])
def test_what_appends_takes_meta_and_a_tenant_by_keyword(method: str):
    """`meta` says who did it; the tenant is in `held`, where something is held."""
    parameters = METHODS[method].parameters
    if method in ("Delivery.receipt", "Replays.receipt"):
        return  # they read one
    wanted = ["meta"] if CLAIMED in parameters else ["meta", "tenant"]
    if method == "Replays.fork":
        wanted = ["tenant"]  # each copied event keeps what its meta says
    for name in wanted:
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY, method
        assert parameters[name].default is None, method


@pytest.mark.parametrize(
    "method", [name for name in METHODS if name.endswith((".list", "ings", "permissions"))]
)
def test_lists_come_in_pages_of_a_hundred(method: str):
    """`limit` and `after`, by keyword."""
    parameters: Any = METHODS[method].parameters
    assert (parameters["limit"].default, parameters["limit"].kind) == (100, inspect.Parameter.KEYWORD_ONLY)
    if method != "Queue.pending":  # what waits behind a page moves up
        assert parameters["after"].default is None
        assert parameters["after"].kind is inspect.Parameter.KEYWORD_ONLY


def test_seconds_say_so_and_nothing_else_is_called_a_timeout():
    """Units come last in a name."""
    unsaid = {"timeout", "ttl", "delay", "lease_seconds", "interval", "count", "max", "offset"}
    found = {method: unsaid & set(names(said)) for method, said in METHODS.items()}
    assert {method: odd for method, odd in found.items() if odd} == {"Conversations.pop": {"count"}}
