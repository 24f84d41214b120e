"""Reads the messages that most agents write in one pass of msgspec; leaves all others to `content.py`.

A message of text, thoughts, tool calls and results in the shapes of the common APIs needs no Python
objects for its blocks: half of the time of a build went there. Whatever has another shape, or would be
shown in another way, is not read here, so that there is one meaning and two speeds; a test compares.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec import Raw

from eventlog.events import NULL, Usage
from projections.archive.columns import CallPart, ResultPart
from projections.archive.content import Content, joined


class _Part(msgspec.Struct, gc=False):
    type: str
    text: str


class _Block(msgspec.Struct, gc=False):
    type: str
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = NULL
    tool_use_id: str | None = None
    content: str | list[_Part] | None = None
    is_error: bool | None = None
    call_id: Raw = NULL


class TypedMessage(msgspec.Struct, gc=False):
    """A `message_appended` of schema 1 whose content is text or a list of blocks; see that event."""

    message_id: str
    role: str
    content: str | list[_Block]
    parent_id: str | None = None
    model: str | None = None
    response_id: str | None = None
    request_id: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    cost: Decimal | None = None
    sidechain: bool = False
    compact_summary: bool = False
    source: Raw = NULL
    metadata: Raw = NULL
    environment: Raw = NULL


_decode = msgspec.json.Decoder(TypedMessage).decode


def read_typed(data: Raw) -> tuple[TypedMessage, Content] | None:
    """Return a message and its columns; None if it is none of the simple ones. Never raises."""
    try:
        message = _decode(data)
    except (ValueError, RecursionError):
        return None
    said = message.content
    if isinstance(said, str):
        return message, Content(said)
    content = _columns(said)
    return None if content is None else (message, content)


def _columns(blocks: list[_Block]) -> Content | None:
    text: list[str] = []
    thinking: list[str] = []
    calls: list[CallPart] = []
    inputs: list[str] = []
    results: list[ResultPart] = []
    outputs: list[str] = []
    for block in blocks:
        kind = block.type
        if kind == "text" and block.text is not None:
            text.append(block.text)
        elif kind == "tool_result" and block.content is not None and block.tool_use_id is not None:
            output = block.content
            if isinstance(output, list):
                if any(part.type != "text" for part in output):
                    return None
                output = "\n".join([part.text for part in output])
            outputs.append(output)
            results.append(ResultPart(block.tool_use_id, block.is_error is True, len(output)))
        elif kind == "tool_use" and block.name is not None and bytes(block.call_id) == b"null":
            given = bytes(block.input)
            # An escape by number is shown as what it stands for, which takes decoding.
            if not given.startswith(b"{") or b"\\u" in given:
                return None
            inputs.append(given.decode())
            calls.append(CallPart(block.id, block.name, len(inputs[-1])))
        elif kind == "thinking" and block.thinking is not None:
            thinking.append(block.thinking)
        else:
            return None
    return joined(text, thinking, calls, inputs, results, outputs, 0)
