"""The lines of one Claude Code transcript as events, in the order of the file. Pure: no I/O.

Every line yields at least one event. What is not understood is kept verbatim as RecordKept.
Order is the place in the file: timestamps run backwards in 8 % of steps. The table of what
becomes what is docs/reference/import-claude-code.md.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from msgspec import Raw

from eventlog.envelope import NewEvent, StreamId, check_stream
from eventlog.events import (
    SESSION,
    AgentEvent,
    ConversationCompacted,
    RecordKept,
    SessionCreated,
    SummaryRecorded,
    Todo,
    TodosReplaced,
    Usage,
    new,
)
from replay.imports.identity import LineIds, created_id
from replay.imports.message import read_message
from replay.imports.queued import Queue
from replay.imports.record import Members, flag, members, put_together, take_apart, text
from replay.imports.thread import Thread, time_of
from replay.imports.todos import read_todos
from replay.imports.usage import TOKENS_MAX, Responses, read_usage

FORMAT = "claude-code"


class Converted(NamedTuple):
    """What became of one line.

    Attributes:
        events: at least one, encoded, in order.
        message: whether the line is a message; `model` and `usage` are then what it adds.
        compaction: whether the line is a compaction.
    """

    events: list[NewEvent]
    message: bool = False
    compaction: bool = False
    model: str | None = None
    usage: Usage | None = None


class Transcript:
    """Reads one file's lines, first to last; holds what later lines need of earlier ones.

    That is: counted usage by response, items that wait, the todo list, and a digest per line.
    """

    def __init__(self, thread: Thread, tenant: str) -> None:
        self.stream = check_stream(tenant, SESSION, thread.session)
        self._thread = thread
        self._ids = LineIds(FORMAT, tenant, thread.session)
        self._queue = Queue(tenant, thread.session)
        self._responses = Responses()
        self._todos: tuple[Todo, ...] = ()
        self._begun = False

    def convert(self, line: bytes, number: int) -> Converted:
        """Return the events of the next line.

        Args:
            line: without its ending.
            number: of the line in the file; kept in `meta`.
        Raises:
            NotJson, EventTooLarge, BadPayload: the line cannot become an event.
        """
        record = take_apart(line)
        writer = _Writer(self._ids, line, number, time_of(record.values) if record else None)
        done = Converted(writer.events)
        if record is None:
            writer.add(self.stream, _kept(None, line))
        else:
            done = self._interpret(record, line, writer)
        # Last, so that a line that was refused does not begin the session.
        if not self._begun:
            writer.events.insert(0, self._created())
            self._begun = True
        return done

    def _interpret(self, record: Members, line: bytes, writer: _Writer) -> Converted:
        kind = text(record.values, "type")
        match kind:
            case "user" | "assistant":
                return self._message(record, line, writer)
            case "queue-operation":
                self._queue_operation(record, line, writer)
            case "summary" if (summary := _summary(record, line)) is not None:
                writer.add(self.stream, summary)
            case "system" if self._hides_what_came_before(record.values):
                writer.add(self.stream, _compaction(record.values, line))
                return Converted(writer.events, compaction=True)
            case _:
                writer.add(self.stream, _kept(kind, line))
        return Converted(writer.events)

    def _message(self, record: Members, line: bytes, writer: _Writer) -> Converted:
        inner = members(record.values, "message")
        if inner is None:
            writer.add(self.stream, _kept(text(record.values, "type"), line))
            return Converted(writer.events)
        usage = read_usage(inner.values)
        if usage is not None:
            usage = self._responses.added(text(inner.values, "id"), usage)
        message = read_message(
            record,
            line,
            session=self._thread.session,
            event_id=writer.next_id,
            occurred_at=writer.occurred_at,
            usage=usage,
        )
        assert message is not None, "it has a message object"
        writer.add(self.stream, message)
        # Inline sub-agents have lists of their own, which are not the session's.
        if self._thread.agent is not None or not message.sidechain:
            todos = read_todos(record.values)
            if todos is not None and todos != self._todos:
                self._todos = todos
                writer.add(self.stream, TodosReplaced(todos))
        return Converted(writer.events, message=True, model=message.model, usage=usage)

    def _queue_operation(self, record: Members, line: bytes, writer: _Writer) -> None:
        operation = text(record.values, "operation")
        if operation == "enqueue":
            item, enqueued = self._queue.enqueue(record, line, writer.next_id)
            writer.add(item, enqueued)
            return
        writer.add(self.stream, _kept("queue-operation", line))
        for item, event in self._queue.operate(operation):
            writer.add(item, event)

    def _hides_what_came_before(self, values: dict[str, Raw]) -> bool:
        """Whether this is a compaction of the session, not one of a sub-agent within its file."""
        inline = self._thread.agent is None and flag(values, "isSidechain")
        return text(values, "subtype") == "compact_boundary" and not inline

    def _created(self) -> NewEvent:
        thread = self._thread
        event = SessionCreated(
            title=thread.title,
            agent=thread.agent,
            parent=thread.parent,
            source=FORMAT,
            directory=thread.directory,
            git_branch=thread.git_branch,
            tool_version=thread.tool_version,
        )
        id = created_id(FORMAT, self.stream.tenant, thread.session)
        return new(self.stream, event, id=id, occurred_at=thread.started_at)


class _Writer:
    """Encodes the events of one line, giving each its id."""

    def __init__(self, ids: LineIds, line: bytes, number: int, occurred_at: str | None) -> None:
        ids.start(line)
        self.events: list[NewEvent] = []
        self.occurred_at = occurred_at
        self._ids = ids
        self._next_id: str | None = None
        self._meta = b'{"line":%d}' % number

    @property
    def next_id(self) -> str:
        """The id of the event that is added next, for events that name themselves."""
        if self._next_id is None:
            self._next_id = self._ids.next()
        return self._next_id

    def add(self, stream: StreamId, event: AgentEvent) -> None:
        made = new(stream, event, id=self.next_id, meta=self._meta, occurred_at=self.occurred_at)
        self.events.append(made)
        self._next_id = None


def _kept(kind: str | None, line: bytes) -> RecordKept:
    return RecordKept(FORMAT, Raw(line), kind)


def _summary(record: Members, line: bytes) -> SummaryRecorded | None:
    values = record.values
    summary, leaf = text(values, "summary"), text(values, "leafUuid")
    if summary is None:
        return None
    if not record.whole:
        return SummaryRecorded(summary, leaf, Raw(line))
    held = {"type", "summary"} | ({"leafUuid"} if leaf is not None else set())
    rest = {name: raw for name, raw in values.items() if name not in held}
    return SummaryRecorded(summary, leaf, put_together(rest)) if rest else SummaryRecorded(summary, leaf)


def _compaction(values: dict[str, Raw], line: bytes) -> ConversationCompacted:
    about = members(values, "compactMetadata")
    details = about.values if about is not None else {}
    return ConversationCompacted(
        trigger=text(details, "trigger"),
        tokens_before=_tokens(details, "preTokens"),
        tokens_after=_tokens(details, "postTokens"),
        message_id=text(values, "uuid"),
        logical_parent_id=text(values, "logicalParentUuid"),
        source=Raw(line),
    )


def _tokens(values: dict[str, Raw], name: str) -> int | None:
    try:
        value = msgspec.json.decode(values.get(name, b"null"), type=int)
    except (msgspec.ValidationError, ValueError, RecursionError):
        return None
    return value if 0 <= value <= TOKENS_MAX else None
