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
    from agentlog.access import AccessChange, Grant, Pairing
    from agentlog.archive_answer import Answer
    from agentlog.conversation import Compaction, ConversationStatus, MessageReceipt, Summary
    from agentlog.errors import AgentlogError
    from agentlog.external import Enqueued
    from agentlog.external_changes import Job
    from agentlog.keyvalue import ABSENT, Entry
    from agentlog.lease import Lease
    from agentlog.local import LocalStore
    from agentlog.message import ArchivedMessage, Draft, Message
    from agentlog.opening import open, open_local
    from agentlog.past import PastStore
    from agentlog.plan import Plan, PlanChange, TodoChange
    from agentlog.queue_changes import Item
    from agentlog.report.writing import Report
    from agentlog.schedule_definition import Definition
    from agentlog.schedule_file import ScheduleFile, Synced
    from agentlog.schedule_firing import Fired, Schedule
    from agentlog.session import Session
    from agentlog.store import Store, StoreStatus
    from agentlog.task_changes import Limits, Task
    from agentlog.worker import Held, Loop
    from eventlog.command import Command, Head, Receipt
    from eventlog.envelope import Event, StreamId
    from eventlog.events import Todo, Usage
    from eventlog.settings import Settings
    from projections.archive import ArchiveFinding, ArchiveStatus, NamedQuery
    from replay.event_types import EventType
    from replay.export import Manifest
    from replay.import_log import MergeReport
    from replay.imports.rejected import MoveSummary
    from replay.imports.summary import ImportSummary
    from replay.moment import Moment
    from replay.receipt import LogReceipt
    from replay.report import Finding, RebuildReport
    from replay.scrub import Scrub, ScrubState
    from replay.state import Blame, Change, Step, StreamState


__version__ = "0.1.0"

__all__ = [
    "ABSENT",
    "AccessChange",
    "AgentlogError",
    "Answer",
    "ArchiveFinding",
    "ArchiveStatus",
    "ArchivedMessage",
    "Blame",
    "Change",
    "Command",
    "Compaction",
    "ConversationStatus",
    "Definition",
    "Draft",
    "Enqueued",
    "Entry",
    "Event",
    "EventType",
    "Finding",
    "Fired",
    "Grant",
    "Head",
    "Held",
    "ImportSummary",
    "Item",
    "Job",
    "Lease",
    "Limits",
    "LocalStore",
    "LogReceipt",
    "Loop",
    "Manifest",
    "MergeReport",
    "Message",
    "MessageReceipt",
    "Moment",
    "MoveSummary",
    "NamedQuery",
    "Pairing",
    "PastStore",
    "Plan",
    "PlanChange",
    "RebuildReport",
    "Receipt",
    "Report",
    "Schedule",
    "ScheduleFile",
    "Scrub",
    "ScrubState",
    "Session",
    "Settings",
    "Step",
    "Store",
    "StoreStatus",
    "StreamId",
    "StreamState",
    "Summary",
    "Synced",
    "Task",
    "Todo",
    "TodoChange",
    "Usage",
    "errors",
    "open",
    "open_local",
    "sync",
]

_HOMES = {
    "ABSENT": "agentlog.keyvalue",
    "AccessChange": "agentlog.access",
    "AgentlogError": "agentlog.errors",
    "Answer": "agentlog.archive_answer",
    "ArchiveFinding": "projections.archive",
    "ArchiveStatus": "projections.archive",
    "ArchivedMessage": "agentlog.message",
    "Blame": "replay.state",
    "Change": "replay.state",
    "Command": "eventlog.command",
    "Compaction": "agentlog.conversation",
    "ConversationStatus": "agentlog.conversation",
    "Definition": "agentlog.schedule_definition",
    "Draft": "agentlog.message",
    "Enqueued": "agentlog.external",
    "Entry": "agentlog.keyvalue",
    "Event": "eventlog.envelope",
    "EventType": "replay.event_types",
    "Finding": "replay.report",
    "Fired": "agentlog.schedule_firing",
    "Grant": "agentlog.access",
    "Head": "eventlog.command",
    "Held": "agentlog.worker",
    "ImportSummary": "replay.imports.summary",
    "Item": "agentlog.queue_changes",
    "Job": "agentlog.external_changes",
    "Lease": "agentlog.lease",
    "Limits": "agentlog.task_changes",
    "LocalStore": "agentlog.local",
    "LogReceipt": "replay.receipt",
    "Loop": "agentlog.worker",
    "Manifest": "replay.export",
    "MergeReport": "replay.import_log",
    "Message": "agentlog.message",
    "MessageReceipt": "agentlog.conversation",
    "Moment": "replay.moment",
    "MoveSummary": "replay.imports.rejected",
    "NamedQuery": "projections.archive",
    "Pairing": "agentlog.access",
    "PastStore": "agentlog.past",
    "Plan": "agentlog.plan",
    "PlanChange": "agentlog.plan",
    "RebuildReport": "replay.report",
    "Receipt": "eventlog.command",
    "Report": "agentlog.report.writing",
    "Schedule": "agentlog.schedule_firing",
    "ScheduleFile": "agentlog.schedule_file",
    "Scrub": "replay.scrub",
    "ScrubState": "replay.scrub",
    "Session": "agentlog.session",
    "Settings": "eventlog.settings",
    "Step": "replay.state",
    "Store": "agentlog.store",
    "StoreStatus": "agentlog.store",
    "StreamId": "eventlog.envelope",
    "StreamState": "replay.state",
    "Summary": "agentlog.conversation",
    "Synced": "agentlog.schedule_file",
    "Task": "agentlog.task_changes",
    "Todo": "eventlog.events",
    "TodoChange": "agentlog.plan",
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
