"""The todo list a record shows. Whether it changed is for the caller to say."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from eventlog.events import Todo
from replay.imports.record import members


def read_todos(values: dict[str, Raw]) -> tuple[Todo, ...] | None:
    """Return the list of a record: its `todos`, or the input of its last TodoWrite call.

    Entries without a content and a status are left out: they stay where they are, in the message.
    None when the record shows no list.
    """
    shown = _decode(values.get("todos"))
    if not isinstance(shown, list):
        shown = _written(values)
    if not isinstance(shown, list):
        return None
    return tuple(todo for entry in shown if (todo := _todo(entry)) is not None)


def _written(values: dict[str, Raw]) -> Any:
    message = members(values, "message")
    content = message.values.get("content") if message is not None else None
    # Decoding each message's content costs more than looking for the name first.
    if content is None or b"TodoWrite" not in bytes(content):
        return None
    blocks = _decode(content)
    if not isinstance(blocks, list):
        return None
    shown = None
    for block in blocks:
        if isinstance(block, dict) and block.get("type") == "tool_use" and block.get("name") == "TodoWrite":
            given = block.get("input")
            shown = given.get("todos") if isinstance(given, dict) else None
    return shown


def _todo(entry: Any) -> Todo | None:
    if not isinstance(entry, dict):
        return None
    content, status = entry.get("content"), entry.get("status")
    if not isinstance(content, str) or not isinstance(status, str):
        return None
    active_form, id = entry.get("activeForm"), entry.get("id")
    return Todo(
        content,
        status,
        active_form if isinstance(active_form, str) else None,
        id if isinstance(id, str) else None,
    )


def _decode(raw: Raw | None) -> Any:
    try:
        return msgspec.json.decode(raw) if raw is not None else None
    except (ValueError, RecursionError):
        return None
