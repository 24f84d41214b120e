"""agentlog: an event-sourced, append-only log store for AI agents.

    async with agentlog.open("./data") as store:
        await store.conversation.append("agent:main", {"role": "user", "content": "hello"})

Names are imported when they are first used, so that `agentlog --help` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentlog import errors, sync
    from agentlog.errors import AgentlogError
    from agentlog.keyvalue import ABSENT, Entry
    from agentlog.lease import Lease
    from agentlog.local import LocalStore
    from agentlog.message import Draft, Message
    from agentlog.opening import open, open_local
    from agentlog.queue_changes import Item
    from agentlog.schedule_definition import Definition
    from agentlog.session import Session
    from agentlog.store import Store
    from agentlog.task_changes import Limits, Task
    from eventlog.command import Command, Receipt
    from eventlog.envelope import Event, StreamId
    from eventlog.events import Todo, Usage
    from eventlog.settings import Settings

__version__ = "0.1.0"

__all__ = [
    "ABSENT",
    "AgentlogError",
    "Command",
    "Definition",
    "Draft",
    "Entry",
    "Event",
    "Item",
    "Lease",
    "Limits",
    "LocalStore",
    "Message",
    "Receipt",
    "Session",
    "Settings",
    "Store",
    "StreamId",
    "Task",
    "Todo",
    "Usage",
    "errors",
    "open",
    "open_local",
    "sync",
]

_HOMES = {
    "ABSENT": "agentlog.keyvalue",
    "AgentlogError": "agentlog.errors",
    "Command": "eventlog.command",
    "Definition": "agentlog.schedule_definition",
    "Entry": "agentlog.keyvalue",
    "Event": "eventlog.envelope",
    "Item": "agentlog.queue_changes",
    "Lease": "agentlog.lease",
    "Limits": "agentlog.task_changes",
    "LocalStore": "agentlog.local",
    "Draft": "agentlog.message",
    "Message": "agentlog.message",
    "Receipt": "eventlog.command",
    "Session": "agentlog.session",
    "Settings": "eventlog.settings",
    "Store": "agentlog.store",
    "StreamId": "eventlog.envelope",
    "Task": "agentlog.task_changes",
    "Todo": "eventlog.events",
    "Usage": "eventlog.events",
    "errors": "agentlog.errors",
    "open": "agentlog.opening",
    "open_local": "agentlog.opening",
    "sync": "agentlog.sync",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_HOMES[name])
    value = module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
