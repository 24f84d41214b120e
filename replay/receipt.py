"""A receipt of the log: the hash chain at the head, and at some positions before it.

Whoever holds one can prove later that history up to there is unchanged (replay/against.py), whoever
holds the database: no event can be changed, added, removed or moved without another chain value.

The value at the head is the proof. The values before it, called marks, say in which part of the log it
breaks, should both copies ever be rewritten with hashes and chains that fit.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import msgspec

from eventlog.errors import BadInput
from eventlog.log import Log

MARKS_DEFAULT = 64
MARKS_MAX = 10_000
CHAIN_CHARACTERS = 64


class Mark(msgspec.Struct, frozen=True):
    """The chain behind a position, as hexadecimal text."""

    position: int
    chain: str


class LogReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a log was at one moment.

    Attributes:
        log_id: of which log.
        position: its last one; 0 for an empty log.
        time: of that event.
        chain: the chain behind it, 64 hexadecimal characters.
        marks: the same for positions before, ascending.
    """

    log_id: str
    position: int
    time: str
    chain: str
    marks: list[Mark] = []

    def points(self) -> list[tuple[int, bytes]]:
        """Return every (position, chain) it proves, ascending."""
        marks = [*self.marks, Mark(self.position, self.chain)]
        return [(mark.position, bytes.fromhex(mark.chain)) for mark in marks if mark.position]

    def to_json(self) -> bytes:
        """Return it as it is kept: one line of JSON."""
        return msgspec.json.encode(self)


async def take_receipt(log: Log, marks: int = MARKS_DEFAULT) -> LogReceipt:
    """Return a receipt of the log as it stands now.

    Args:
        marks: at most so many positions before the head, evenly spread; 0 to 10,000.
    Raises:
        BadInput: another number of marks. LogUnavailable: Postgres is away.
    """
    if not 0 <= marks <= MARKS_MAX:
        raise BadInput(f"a receipt with {marks} marks cannot be taken", hint=f"0 to {MARKS_MAX:,}")
    head = await log.head()
    places = sorted({head.position * n // (marks + 1) for n in range(1, marks + 1)} - {0, head.position})
    chosen = [Mark(place, (await log.reads.chain_at(place)).hex()) for place in places]
    return LogReceipt(
        log_id=str(log.directory.log_id),
        position=head.position,
        time=head.time,
        chain=head.chain.hex(),
        marks=chosen,
    )


def read_receipt(text: bytes) -> LogReceipt:
    """Return the receipt a text is. Raises BadInput when it is none."""
    try:
        receipt = msgspec.json.decode(text, type=LogReceipt)
        uuid.UUID(receipt.log_id)
    except ValueError as error:
        raise BadInput(f"this is no receipt of a log: {error}", hint=_HINT) from error
    places = [mark.position for mark in receipt.marks] + [receipt.position]
    if places != sorted(set(places)) or places[0] < 0 or (receipt.marks and places[0] == 0):
        raise BadInput("the receipt's positions do not ascend", hint=_HINT)
    for chain in [receipt.chain, *[mark.chain for mark in receipt.marks]]:
        try:
            length = len(bytes.fromhex(chain)) * 2
        except ValueError:
            length = 0
        if length != CHAIN_CHARACTERS or len(chain) != CHAIN_CHARACTERS:
            raise BadInput(f"{chain[:80]!r} in the receipt is no chain value", hint=_HINT)
    return receipt


def load_receipt(path: Path) -> LogReceipt:
    """Return the receipt that a file holds. Raises BadInput when it cannot be read, or is none."""
    try:
        return read_receipt(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", hint=_HINT) from error


_HINT = "give the file that `agentlog receipt` was written to"
