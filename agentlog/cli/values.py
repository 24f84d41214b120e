"""What a word on the command line stands for: JSON, a time, a moment of the log. Each raises BadInput."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


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
    return None if text is None else _time(text)


def read_moment(text: str) -> int | datetime:
    """Return the position or the time that a text is."""
    return int(text) if text.isascii() and text.isdigit() else _time(text)


def _time(text: str) -> datetime:
    """Return the time that a text is; a day alone is its beginning in UTC, as in the archive's queries."""
    from eventlog.envelope import parse_time

    return parse_time(f"{text}T00:00:00Z" if DAY.fullmatch(text) else text)


def moment(at: str | None) -> dict[str, Any]:
    """Return the arguments that say when: `position` or `time`; none where nothing is said."""
    if at is None:
        return {}
    found = read_moment(at)
    return {"time": found} if isinstance(found, datetime) else {"position": found}
