"""The columns of the archive's Parquet files: names, DuckDB types, order. This is the format.

Three tables, one row each per event, per `message_appended`, and per change of a session. What the
columns mean, with units, is in docs/formats/archive.md; a test compares. Nothing here makes rows
(`rows.py`) or touches files.

Times are RFC 3339 text in the structs, as they stand on an event's line, and TIMESTAMPTZ in the
files; `day` is a DATE in UTC; `cost` is a decimal number as text and DECIMAL(18,10).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class EventRow(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One event, as it stands in the log."""

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


class MessageRow(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One message, with its place in its session and its content taken apart."""

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
    day: str


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
    time: str
    occurred_at: str | None = None


class Table(NamedTuple):
    """One Parquet table: its DuckDB types by column, and how rows are ordered in a file.

    `order` is empty where rows arrive in order. Messages lie by session, so that reading one
    session touches few row groups (1.10 s against 0.06 s per million messages).
    """

    columns: dict[str, str]
    order: tuple[str, ...]


_TYPES: dict[str, str] = {
    **dict.fromkeys(("position", "version", "generation", "seq"), "BIGINT"),
    **dict.fromkeys(("input_tokens", "output_tokens", "reasoning_tokens"), "BIGINT"),
    **dict.fromkeys(("cache_read_tokens", "cache_write_tokens"), "BIGINT"),
    **dict.fromkeys(("schema", "attachments"), "INTEGER"),
    **dict.fromkeys(("tool_error", "sidechain", "compact_summary"), "BOOLEAN"),
    **dict.fromkeys(("time", "occurred_at"), "TIMESTAMPTZ"),
    "day": "DATE",
    "cost": "DECIMAL(18,10)",
}  # every other column is VARCHAR


def _columns(row: type[msgspec.Struct]) -> dict[str, str]:
    return {name: _TYPES.get(name, "VARCHAR") for name in row.__struct_fields__}


EVENTS = "events"
MESSAGES = "messages"
SESSION_CHANGES = "session_changes"

TABLES: dict[str, Table] = {
    EVENTS: Table(_columns(EventRow), ()),
    MESSAGES: Table(_columns(MessageRow), ("tenant", "session", "position")),
    SESSION_CHANGES: Table(_columns(SessionChangeRow), ("tenant", "session", "position")),
}

encode_rows: Any = msgspec.json.Encoder().encode_lines
