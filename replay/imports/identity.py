"""Ids that are the same on every import, so that importing twice changes nothing.

The id of an event is the UUID version 5 (RFC 9562) of these, joined by NUL characters, which
none of them can hold:

    format, tenant, session key, SHA-256 of the line, which occurrence of that very line in the
    file it is (from 0), the event's place among the events of the line (from 0)

Line numbers and paths are left out: a file may be moved, and two copies of it are one transcript.
"""

from __future__ import annotations

import uuid
from hashlib import sha256

NAMESPACE = uuid.UUID("6f0b8a3e-2c57-5d1f-9a44-71c0e8d35b92")

# In the place of line, occurrence and place: the event that begins a session has no line.
_BEGINNING = ("created",)


def created_id(format: str, tenant: str, session: str) -> str:
    """Return the id of a session's SessionCreated: one per session, whichever file tells of it."""
    return named_id(format, tenant, session, *_BEGINNING)


def named_id(*parts: str) -> str:
    """Return the id that stands for these parts, and for no others."""
    # Invariant: a part never holds the separator, so different parts never give one name.
    # Digests and numbers cannot; tenants and keys were checked (envelope.check_text).
    assert not any("\0" in part for part in parts)
    return str(uuid.uuid5(NAMESPACE, "\0".join(parts)))


class LineIds:
    """Gives the events of one file their ids, line after line. Remembers a digest per line."""

    def __init__(self, format: str, tenant: str, session: str) -> None:
        self._thread = (format, tenant, session)
        self._occurrences: dict[bytes, int] = {}
        self._line: tuple[str, str] = ("", "")
        self._place = 0

    def start(self, line: bytes) -> None:
        """Begin the next line of the file."""
        digest = sha256(line).digest()
        occurrence = self._occurrences.get(digest, 0)
        self._occurrences[digest] = occurrence + 1
        self._line = (digest.hex(), str(occurrence))
        self._place = 0

    def next(self) -> str:
        """Return the id of the line's next event."""
        assert self._line[0], "start() comes first"
        place = self._place
        self._place += 1
        return named_id(*self._thread, *self._line, str(place))
