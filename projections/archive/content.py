"""Takes a message's `content` apart into readable columns. Total: any JSON gives an answer.

Content is what some provider calls content: a string, a list of blocks, one block, or something
else. Blocks are known by their `type`, in the words of the common APIs; a block nobody here knows
is counted as an attachment, and its `text`, if it has one, is kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from eventlog.errors import BadPayload
from eventlog.payload import decode_payload
from projections.archive.columns import CallPart, ResultPart

_TEXT = frozenset(("text", "input_text", "output_text"))
_THINKING = frozenset(("thinking", "reasoning"))
_SILENT = frozenset(("redacted_thinking",))
_encode = msgspec.json.Encoder().encode


class Content(NamedTuple):
    """What a message says, by kind of block; None where it has no such block.

    Several blocks of a kind are joined: texts, thoughts, results and inputs by a line break,
    names of tools by a comma. `attachments` counts images, documents and blocks of unknown types.
    `calls` and `results` say how many characters of the joined text are whose.
    """

    text: str | None = None
    thinking: str | None = None
    tool: str | None = None
    tool_input: str | None = None
    tool_result: str | None = None
    tool_error: bool | None = None
    attachments: int = 0
    calls: list[CallPart] | None = None
    results: list[ResultPart] | None = None


def read_content(content: Raw) -> Content:
    """Return the columns of one message's content. Never raises.

    Content nested deeper than Python can build is shown as its JSON text.
    """
    try:
        value = decode_payload(content, None)
    except BadPayload:
        return Content(text=bytes(content).decode(errors="replace"))
    if isinstance(value, str):
        return Content(text=value)
    if value is None:
        return Content()
    parts = _Parts()
    for block in value if isinstance(value, list) else [value]:
        parts.add(block)
    return parts.content()


class _Parts:
    """Collects the blocks of one message."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.thinking: list[str] = []
        self.calls: list[CallPart] = []
        self.tool_input: list[str] = []
        self.results: list[ResultPart] = []
        self.tool_result: list[str] = []
        self.attachments = 0

    def add(self, block: Any) -> None:
        if isinstance(block, str):
            self.text.append(block)
            return
        if not isinstance(block, dict):
            self.text.append(_json(block))
            return
        kind = block.get("type")
        kind = kind if isinstance(kind, str) else ""
        if kind in _TEXT:
            self.text.append(_readable(block.get("text")))
        elif kind in _THINKING:
            self.thinking.append(_readable(block.get("thinking", block.get("text", block.get("summary")))))
        elif kind.endswith("tool_use") or kind == "function_call":
            self._add_call(block)
        elif kind.endswith("tool_result") or kind == "function_call_output":
            self._add_result(block)
        elif kind not in _SILENT:
            self.attachments += 1
            if isinstance(block.get("text"), str):
                self.text.append(block["text"])

    def _add_call(self, block: dict[str, Any]) -> None:
        given = block.get("input", block.get("arguments"))
        said = given if isinstance(given, str) else "" if given is None else _json(given)
        id = _name(block.get("call_id", block.get("id")))
        self.calls.append(CallPart(id, _readable(block.get("name")), len(said)))
        self.tool_input.append(said)

    def _add_result(self, block: dict[str, Any]) -> None:
        output = block.get("content", block.get("output"))
        texts = []
        for part in output if isinstance(output, list) else [output]:
            if isinstance(part, dict) and part.get("type") in ("image", "document"):
                self.attachments += 1
            else:
                texts.append(_readable(part))
        said = "\n".join(texts)
        id = _name(block.get("tool_use_id", block.get("call_id")))
        self.results.append(ResultPart(id, block.get("is_error") is True, len(said)))
        self.tool_result.append(said)

    def content(self) -> Content:
        return joined(
            self.text, self.thinking, self.calls, self.tool_input, self.results, self.tool_result,
            self.attachments,
        )  # fmt: skip


def joined(
    text: list[str],
    thinking: list[str],
    calls: list[CallPart],
    tool_input: list[str],
    results: list[ResultPart],
    tool_result: list[str],
    attachments: int,
) -> Content:
    """Return the columns of the parts of one message."""
    return Content(
        "\n".join(text) if text else None,
        "\n".join(thinking) if thinking else None,
        ",".join([call.tool for call in calls]) if calls else None,
        "\n".join(tool_input) if calls else None,
        "\n".join(tool_result) if results else None,
        any(result.error for result in results) if results else None,
        attachments,
        calls or None,
        results or None,
    )


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _readable(value: Any) -> str:
    """A string as it is, nothing as nothing, a text block as its text, all else as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return str(value["text"])
    if isinstance(value, list) and value and all(isinstance(part, dict) and "text" in part for part in value):
        return "\n".join(_readable(part["text"]) for part in value)
    return _json(value)


def _json(value: Any) -> str:
    try:
        return _encode(value).decode()
    except (ValueError, TypeError, RecursionError):
        return repr(value)
