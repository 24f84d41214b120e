"""What a word on the command line stands for: JSON, a time, a moment of the log. Each raises BadInput."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def read_json(text: str) -> Any:
    """Return the JSON a text is; a text that is none stands for itself."""
    import msgspec

    from eventlog.errors import BadPayload
    from eventlog.payload import encode_json

    try:
        encode_json(text.encode())
    except (BadPayload, UnicodeEncodeError):
        return text
    return msgspec.Raw(text.encode())


def read_time(text: str | None) -> datetime | None:
    """Return the time that a text is, or None."""
    from eventlog.envelope import parse_time

    return None if text is None else parse_time(text)


def read_moment(text: str) -> int | datetime:
    """Return the position or the time that a text is."""
    from eventlog.envelope import parse_time

    return int(text) if text.isascii() and text.isdigit() else parse_time(text)


def moment(at: str | None) -> dict[str, Any]:
    """Return the arguments that say when: `position` or `time`; none where nothing is said."""
    if at is None:
        return {}
    found = read_moment(at)
    return {"time": found} if isinstance(found, datetime) else {"position": found}
