"""An imported event back to the record it was read from. Nothing is read or written.

For tests, which rebuild every line of a corpus, and for whoever wants the source's own form.
"""

from __future__ import annotations

from typing import Any

from eventlog.payload import decode_payload
from eventlog.projection import Foldable
from replay.imports.message import original_message


def original_record(event: Foldable, *, session: str) -> Any:
    """Return the JSON value of the line, or None for an event that only follows from one.

    Args:
        event: as it was made or as it came back from the log.
        session: key of the session the file became.
    """
    data = decode_payload(event.data, event.encoding)
    match event.type:
        case "record_kept":
            return data["record"]
        case "message_appended":
            return original_message(data, session=session, occurred_at=event.occurred_at)
        case "conversation_compacted":
            return data["source"]
        case "summary_recorded":
            return _summary(data)
        case "item_enqueued":
            return _enqueued(data)
    return None


def _summary(data: dict[str, Any]) -> Any:
    source = data.get("source", {})
    if "type" in source:
        return source
    record = {**source, "type": "summary", "summary": data["summary"]}
    if "leaf_id" in data:
        record["leafUuid"] = data["leaf_id"]
    return record


def _enqueued(data: dict[str, Any]) -> Any:
    source = data["source"]
    if data["body"] is None or "content" in source:
        return source
    return {**source, "content": data["body"]}
