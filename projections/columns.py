"""Fit what events say into what Postgres columns and indexes hold, without ever refusing.

A fold must not raise and its row must not be refused: either would stop the append of an event
that has every right to be in the log.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal

import msgspec
from msgspec import Raw

from eventlog.envelope import MAX_KEY_BYTES
from eventlog.payload import exact_json
from eventlog.projection import Foldable, without_nul
from eventlog.strict import strict_json

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(str).decode

# Two days inside of what Python can hold, so that no time zone moves them out of it.
EARLIEST = datetime(1, 1, 3, tzinfo=UTC)
LATEST = datetime(9999, 12, 29, tzinfo=UTC)

# Sums keep 38 digits, at most 37 of them after the point, and raise nothing: an amount beyond that
# gives an infinity, which `add_cost` drops. Postgres takes any such number as numeric.
_MONEY = Context(prec=38, Emin=0, Emax=37, traps=[])


def readable_data(event: Foldable) -> bytes:
    """Return the event's data as JSON that a strict reader, and Postgres `text`, can hold.

    Lone surrogates and NUL become U+FFFD. NUL is replaced here, and not only when a row is written:
    otherwise a state that was loaded would differ from the one that was folded, and the next equal
    event would change the one and not the other.

    Raises:
        BadPayload: the data is not in the encoding it claims.
    """
    data = bytes(event.data)
    if event.encoding is not None:
        data = strict_json(exact_json(data, event.encoding))
    return without_nul(data)


def text(value: str) -> str:
    """Return the text without NUL, for events whose data was not scanned for it."""
    return value.replace("\x00", "\ufffd")


def add_cost(total: Decimal, cost: Decimal) -> Decimal:
    """Return the sum, or `total` where `cost` is no amount (NaN, infinite, over 10^38)."""
    added = _MONEY.add(total, cost)
    return added if added.is_finite() else total


def moment(time: datetime) -> datetime:
    """Return the time in UTC, kept within EARLIEST and LATEST."""
    if time < EARLIEST:
        return EARLIEST
    return LATEST if time > LATEST else time.astimezone(UTC)


def opaque(value: Raw) -> Raw:
    """Return JSON as its column gives it back, in memory of its own: a view would keep the whole event.

    A value that is a text alone is written anew by `json_to_recordset`, in the one way to escape that
    Postgres and msgspec share; all else stays as it is, to the digit.
    """
    text = bytes(value)
    return Raw(_encode(_decode(strict_json(text)))) if text[:1] == b'"' else value.copy()


def stream_key(text: str | None) -> str | None:
    """Return `text` if it can be the key of a stream, else None.

    These columns are indexed, and an index holds no text of any length. What no stream can be
    called refers to nothing, so nothing is lost but the odd text itself, which the log keeps.
    """
    if text is None or not text or len(text.encode()) > MAX_KEY_BYTES:
        return None
    return text
