"""The columns of the archive's Parquet files: names, DuckDB types, order. This is the format.

Three tables of rows made from events: one per message, one per event of any other kind, and one per change
of a session. A message's payload stands in its row alone, taken apart
(docs/decisions/0016-one-copy-in-the-archive.md). Two more add up its messages, by session and by day.
What the columns mean, with units, is in docs/reference/archive.md; a test compares. Nothing here makes
rows (`rows.py`) or touches files.

Times are RFC 3339 text in the structs, as they stand on an event's line, and TIMESTAMPTZ in the
files; `day` is a DATE in UTC; `cost` is a decimal number as text and DECIMAL(18,10).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class EventRow(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One event that is no message, as it stands in the log."""

    position: int
    tenant: str
    kind: str
    key: str
    version: int
    type: str
    schema: int
    id: str
    time: str
    occurred_at: str | None = None
    encoding: str | None = None
    data: str
    meta: str


class CallPart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One tool call of a message. `characters`: of its input, which is a part of `tool_input`."""

    call_id: str | None
    tool: str
    characters: int


class ResultPart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One tool result of a message. `characters`: of its text, which is a part of `tool_result`."""

    call_id: str | None
    error: bool
    characters: int


class MessageRow(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One message, with its place in its session and its content taken apart.

    What follows `day` is for other views: the rest of the event's envelope, and where each call and
    result stands in the joined text.
    """

    position: int
    tenant: str
    session: str
    version: int
    generation: int
    seq: int
    message_id: str | None = None
    parent_id: str | None = None
    role: str | None = None
    text: str | None = None
    thinking: str | None = None
    tool: str | None = None
    tool_input: str | None = None
    tool_result: str | None = None
    tool_error: bool | None = None
    attachments: int
    model: str | None = None
    response_id: str | None = None
    request_id: str | None = None
    stop_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: str | None = None
    sidechain: bool
    compact_summary: bool
    time: str
    occurred_at: str | None = None
    bytes: int
    source: str | None = None
    day: str
    event_id: str
    event_schema: int
    encoding: str | None = None
    meta: str
    calls: list[CallPart] | None = None
    results: list[ResultPart] | None = None


class SessionChangeRow(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One change of a session: the attributes it gave; NULL means it said nothing about them."""

    position: int
    tenant: str
    session: str
    version: int
    type: str
    title: str | None = None
    agent: str | None = None
    model: str | None = None
    mode: str | None = None
    state: str | None = None
    parent: str | None = None
    source: str | None = None
    directory: str | None = None
    git_branch: str | None = None
    generation: int | None = None
    cleared: tuple[str, ...] | None = None
    time: str
    occurred_at: str | None = None


class Table(NamedTuple):
    """One Parquet table: its DuckDB types by column, and how rows are ordered in a file.

    `order` is empty where rows arrive in order. Messages lie by session, so that reading one
    session touches few row groups (1.10 s against 0.06 s per million messages). `texts` are the columns
    whose characters are counted when a file is verified; none where rows are added up from those of messages.
    """

    columns: dict[str, str]
    order: tuple[str, ...]
    texts: tuple[str, ...] = ()


_TYPES: dict[str, str] = {
    **dict.fromkeys(("position", "version", "generation", "seq", "bytes"), "BIGINT"),
    **dict.fromkeys(("input_tokens", "output_tokens", "reasoning_tokens"), "BIGINT"),
    **dict.fromkeys(("cache_read_tokens", "cache_write_tokens"), "BIGINT"),
    **dict.fromkeys(("schema", "event_schema", "attachments"), "INTEGER"),
    **dict.fromkeys(("tool_error", "sidechain", "compact_summary"), "BOOLEAN"),
    **dict.fromkeys(("time", "occurred_at"), "TIMESTAMPTZ"),
    "day": "DATE",
    "cost": "DECIMAL(18,10)",
    "cleared": "VARCHAR[]",
    "calls": "STRUCT(call_id VARCHAR, tool VARCHAR, characters BIGINT)[]",
    "results": "STRUCT(call_id VARCHAR, error BOOLEAN, characters BIGINT)[]",
}  # every other column is VARCHAR


def _columns(row: type[msgspec.Struct]) -> dict[str, str]:
    return {name: _TYPES.get(name, "VARCHAR") for name in row.__struct_fields__}


EVENTS = "events"
MESSAGES = "messages"
SESSION_CHANGES = "session_changes"
SESSION_SUMS = "session_sums"
DAY_SUMS = "day_sums"

# Messages of one range, added up (queries/session_sums.sql and day_sums.sql).
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
_SESSION_SUM: dict[str, str] = {
    **dict.fromkeys(("tenant", "session"), "VARCHAR"),
    **dict.fromkeys(("generation", "messages", "bytes", "first_position", "last_position"), "BIGINT"),
    **dict.fromkeys(("first_time", "last_time"), "TIMESTAMPTZ"),
    "model": "VARCHAR",
    **dict.fromkeys(("model_position", *_TOKENS), "BIGINT"),
}
_DAY_SUM: dict[str, str] = {
    "tenant": "VARCHAR",
    "day": "DATE",
    "model": "VARCHAR",
    **dict.fromkeys(("messages", "bytes", *_TOKENS), "BIGINT"),
}

TABLES: dict[str, Table] = {
    EVENTS: Table(_columns(EventRow), (), ("data", "meta")),
    MESSAGES: Table(
        _columns(MessageRow),
        ("tenant", "session", "position"),
        ("text", "thinking", "tool_input", "tool_result", "source"),
    ),
    SESSION_CHANGES: Table(_columns(SessionChangeRow), ("tenant", "session", "position"), ("title",)),
    SESSION_SUMS: Table(_SESSION_SUM, ("tenant", "session", "generation")),
    DAY_SUMS: Table(_DAY_SUM, ("tenant", "day", "model")),
}

# The tables whose rows are made from events, one by one, and those made of all messages of a range.
STAGED = (EVENTS, MESSAGES, SESSION_CHANGES)
SUMS = (SESSION_SUMS, DAY_SUMS)

# The columns of `messages` that its view does not show.
HIDDEN = ("event_id", "event_schema", "encoding", "meta", "calls", "results")

encode_rows: Any = msgspec.json.Encoder().encode_lines
