"""A user or assistant record as MessageAppended, and back. One record; files are not known here.

`source` is the record without what the other fields hold, or the whole record:

    without  the ordinary case. `type` is left out, being the role; so are uuid, parentUuid,
             isSidechain, isCompactSummary, requestId, sessionId, timestamp, and of `message` the
             role, content, model, id and stop_reason, each where the event (its stream's key, its
             occurred_at) holds the value verbatim.
    whole    where leaving out could not be undone: no uuid, no sessionId, no content, a role that
             is not the type, a name that occurs twice. It is told by its `type`.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from eventlog.envelope import parse_time
from eventlog.events import NULL, MessageAppended, Usage
from replay.imports.record import Members, flag, is_null, members, put_together, text

# Left out of `source` where the event's field holds the value: a string, verbatim.
_RECORD_FIELDS = {"uuid": "message_id", "parentUuid": "parent_id", "requestId": "request_id"}
_MESSAGE_FIELDS = {"role": "role", "model": "model", "id": "response_id", "stop_reason": "stop_reason"}


def read_message(
    record: Members,
    line: bytes,
    *,
    session: str,
    event_id: str,
    occurred_at: str | None,
    usage: Usage | None,
) -> MessageAppended | None:
    """Return the event of a user or assistant record; None when it has no `message` object.

    Args:
        line: the record as it was written.
        session: key of the session's stream.
        event_id: stands in for the message's id where the record has no uuid.
        usage: what the line adds to its response.
    """
    values = record.values
    message = members(values, "message")
    if message is None:
        return None
    kind = text(values, "type") or ""
    inner = message.values
    plain = (
        record.whole
        and message.whole
        and bool(text(values, "uuid"))
        and text(values, "sessionId") is not None
        and text(inner, "role") == kind
        and not is_null(inner, "content")
        and flag(values, "isSidechain") is not None
    )
    return MessageAppended(
        message_id=text(values, "uuid") or event_id,
        role=text(inner, "role") or kind,
        content=inner.get("content", NULL),
        parent_id=text(values, "parentUuid"),
        model=text(inner, "model"),
        response_id=text(inner, "id"),
        request_id=text(values, "requestId"),
        stop_reason=text(inner, "stop_reason"),
        usage=usage,
        sidechain=flag(values, "isSidechain") is True,
        compact_summary=flag(values, "isCompactSummary") is True,
        source=_without(values, inner, session, occurred_at) if plain else Raw(line),
    )


def _without(values: dict[str, Raw], inner: dict[str, Raw], session: str, occurred_at: str | None) -> Raw:
    left_out = {name for name in _RECORD_FIELDS if text(values, name) is not None}
    left_out |= {"type", "isSidechain", "message"}
    if text(values, "sessionId") == session:
        left_out.add("sessionId")
    if flag(values, "isCompactSummary"):
        left_out.add("isCompactSummary")
    if occurred_at is not None and text(values, "timestamp") == _in_milliseconds(occurred_at):
        left_out.add("timestamp")
    rest = {name: raw for name, raw in values.items() if name not in left_out}
    held = {name for name in _MESSAGE_FIELDS if text(inner, name) is not None} | {"content"}
    rest["message"] = put_together({name: raw for name, raw in inner.items() if name not in held})
    return put_together(rest)


def original_message(data: dict[str, Any], *, session: str, occurred_at: str | None) -> Any:
    """Return the record a message was read from: the same JSON value, members in another order.

    Args:
        data: the payload of the MessageAppended, decoded exactly (`Event.value`).
    """
    source = data["source"]
    if "type" in source:
        return source
    record: dict[str, Any] = {"sessionId": session, **source, "type": data["role"]}
    record["isSidechain"] = data.get("sidechain", False)
    if data.get("compact_summary"):
        record["isCompactSummary"] = True
    if "timestamp" not in record and occurred_at is not None:
        record["timestamp"] = _in_milliseconds(occurred_at)
    record["message"] = {**source["message"], "content": data["content"]}
    for outer, names in ((record, _RECORD_FIELDS), (record["message"], _MESSAGE_FIELDS)):
        outer.update({name: data[field] for name, field in names.items() if field in data})
    return record


def _in_milliseconds(time: str) -> str:
    """Write a time as Claude Code does: UTC, three digits, Z."""
    return parse_time(time).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
