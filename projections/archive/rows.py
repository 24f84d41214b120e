"""Turns events into rows of the archive. Pure and total: no I/O, no clock, nothing raises.

The same functions make the Parquet files and the fresh tail, so that the two cannot differ. A
message's generation and seq come from a small fold per session, the `Cursor`; it is not stored
anywhere, because it can be read back from the archive itself (queries/cursors.sql): the last
message's generation and seq, and the last generation that was started.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from eventlog.envelope import Event
from eventlog.errors import BadPayload
from eventlog.events import (
    NULL,
    SESSION,
    ConversationCompacted,
    GenerationStarted,
    MessageAppended,
    RecordKept,
    SessionCreated,
    SessionDeleted,
    SessionEnded,
    SessionUpdated,
    SummaryRecorded,
    TodosReplaced,
    decode_event,
    event_type,
)
from eventlog.payload import exact_json
from eventlog.strict import strict_json
from projections.archive.columns import EventRow, MessageRow, SessionChangeRow
from projections.archive.content import Content, read_content
from projections.archive.typed import TypedMessage, read_typed
from projections.columns import stream_key

MESSAGE_TYPE = event_type(MessageAppended)
GENERATION_TYPE = event_type(GenerationStarted)
# What `typed.py` reads; when this number grows, it is to grow as well.
_MESSAGE_SCHEMA = 1

# Every other type that makes a session exist, or changes it, has a row among its changes.
_SAYING = frozenset(map(event_type, (SessionCreated, SessionUpdated, SessionEnded, SessionDeleted)))
_MARKING = frozenset(map(event_type, (RecordKept, ConversationCompacted, SummaryRecorded, TodosReplaced)))
CHANGE_TYPES = _SAYING | _MARKING | {GENERATION_TYPE}

_COST_DIGITS = Decimal("1e-10")
_COST_END = Decimal(10) ** 8  # DECIMAL(18,10) ends here


class Cursor(NamedTuple):
    """Where the next message of a session goes."""

    generation: int = 0
    next_seq: int = 0


class Rows(NamedTuple):
    """What one event adds to the archive. A message has no row among the other events."""

    event: EventRow | None
    message: MessageRow | None
    change: SessionChangeRow | None


def is_message(event: Event) -> bool:
    return event.type == MESSAGE_TYPE and event.stream.kind == SESSION


def moves_cursor(event: Event) -> bool:
    """Whether the rows of `event` depend on its session's cursor."""
    return event.stream.kind == SESSION and event.type in (MESSAGE_TYPE, GENERATION_TYPE)


def rows_of(event: Event, cursor: Cursor) -> tuple[Rows, Cursor]:
    """Return the rows of one event and the session's cursor after it."""
    if event.stream.kind == SESSION:
        if event.type == MESSAGE_TYPE:
            return Rows(None, message_row(event, cursor), None), Cursor(
                cursor.generation, cursor.next_seq + 1
            )
        if event.type in CHANGE_TYPES:
            change, cursor = session_change_row(event, cursor)
            return Rows(event_row(event), None, change), cursor
    return Rows(event_row(event), None, None), cursor


def event_row(event: Event) -> EventRow:
    """Return the row of one event; `data` is JSON that strict readers take."""
    return EventRow(
        position=event.position,
        tenant=event.tenant,
        kind=event.stream.kind,
        key=event.stream.key,
        version=event.version,
        type=event.type,
        schema=event.schema,
        id=event.id,
        time=event.time,
        occurred_at=event.occurred_at,
        encoding=event.encoding,
        data=_readable_data(bytes(event.data), event.encoding),
        meta=bytes(event.meta).decode(errors="replace"),
    )


def _readable_data(data: bytes, encoding: str | None) -> str:
    """Plain payloads verbatim, encoded ones as strict JSON: the exact bytes stay in the log."""
    if encoding is not None:
        # An encoding of a later release is shown as it stands on the line.
        with suppress(BadPayload, RecursionError):
            data = strict_json(exact_json(data, encoding))
    return data.decode(errors="replace")


def message_row(event: Event, cursor: Cursor) -> MessageRow:
    """Return the row of one `message_appended`; unreadable ones keep their place, without content."""
    message: MessageAppended | TypedMessage | None = None
    content = Content()
    if event.encoding is None and event.schema == _MESSAGE_SCHEMA and (typed := read_typed(event.data)):
        message, content = typed
    else:
        read = decode_event(event.type, event.schema, event.data, event.encoding)
        if isinstance(read, MessageAppended):
            message, content = read, read_content(read.content)
    day = (event.occurred_at or event.time)[:10]
    if message is None:
        return MessageRow(
            position=event.position, tenant=event.tenant, session=event.stream.key, version=event.version,
            generation=cursor.generation, seq=cursor.next_seq, attachments=0, sidechain=False,
            compact_summary=False, time=event.time, occurred_at=event.occurred_at,
            bytes=len(bytes(event.data)), day=day, event_id=event.id, event_schema=event.schema,
            encoding=event.encoding, meta=bytes(event.meta).decode(errors="replace"),
        )  # fmt: skip
    usage, source = message.usage or _NO_USAGE, message.source
    return MessageRow(
        position=event.position, tenant=event.tenant, session=event.stream.key, version=event.version,
        generation=cursor.generation, seq=cursor.next_seq, message_id=message.message_id,
        parent_id=message.parent_id, role=message.role, text=content.text, thinking=content.thinking,
        tool=content.tool, tool_input=content.tool_input, tool_result=content.tool_result,
        tool_error=content.tool_error, attachments=content.attachments, model=message.model,
        response_id=message.response_id, request_id=message.request_id, stop_reason=message.stop_reason,
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens, cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens, cost=None if message.cost is None else _cost(message.cost),
        sidechain=message.sidechain, compact_summary=message.compact_summary, time=event.time,
        occurred_at=event.occurred_at, bytes=len(bytes(event.data)),
        source=None if source == NULL else bytes(source).decode(errors="replace"), day=day,
        event_id=event.id, event_schema=event.schema, encoding=event.encoding,
        meta=bytes(event.meta).decode(errors="replace"), calls=content.calls, results=content.results,
    )  # fmt: skip


class _NoUsage(NamedTuple):
    """Stands for usage that was not said: every count is NULL, not 0."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


_NO_USAGE = _NoUsage()


def _cost(cost: Decimal) -> str | None:
    """Ten digits after the point; None for what no bill could say (the log keeps it)."""
    if not cost.is_finite() or abs(cost) >= _COST_END:
        return None
    return format(cost.quantize(_COST_DIGITS), "f")


def session_change_row(event: Event, cursor: Cursor) -> tuple[SessionChangeRow, Cursor]:
    """Return the row of one change of a session, and the cursor after it.

    A change this release cannot read has a row that says nothing. Generations only grow, by the
    rule of the live table: a start that names the current number, or an older one, gets the next.
    """
    row = SessionChangeRow(
        position=event.position,
        tenant=event.tenant,
        session=event.stream.key,
        version=event.version,
        type=event.type,
        time=event.time,
        occurred_at=event.occurred_at,
    )
    if event.type in _MARKING:
        return row, cursor
    change = decode_event(event.type, event.schema, event.data, event.encoding)
    match change:
        case SessionCreated():
            row = replace(
                row, title=change.title, agent=change.agent, model=change.model, mode=change.mode,
                state="active", parent=stream_key(change.parent), source=change.source,
                directory=change.directory, git_branch=change.git_branch,
            )  # fmt: skip
        case SessionUpdated():
            row = replace(
                row, title=change.title, agent=change.agent, model=change.model, mode=change.mode,
                state=change.state, parent=stream_key(change.parent), source=change.source,
                directory=change.directory, git_branch=change.git_branch, cleared=change.cleared or None,
            )  # fmt: skip
        case SessionEnded():
            row = replace(row, state="ended")
        case SessionDeleted():
            row = replace(row, state="deleted")
        case GenerationStarted():
            cursor = Cursor(max(change.generation, cursor.generation + 1), 0)
            row = replace(row, generation=cursor.generation)
    return row, cursor
