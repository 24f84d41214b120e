"""What became of a command: found out from the log itself, never assumed.

A commit whose answer was lost is looked up by its event id; a repeated command by its idempotency
key. Reads only; who is told what, and what is sent again, is writer.py's.
"""

from __future__ import annotations

from eventlog.batch import Pending, StreamState
from eventlog.command import Command, Receipt
from eventlog.envelope import StreamId
from eventlog.errors import Conflict, CopiesDisagree, OutcomeUnknown, shown
from eventlog.postgres.reads import Reads

# Ten megabytes of ids. Who repeats a command after so many others of unknown outcome uses a key.
DOUBTFUL_MAX = 100_000


class Outcomes:
    """Looks commands up. Remembers whose callers do not know, so that a repeat is looked up first."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._doubtful: dict[str, None] = {}  # first event ids, the oldest first

    def is_doubtful(self, event_id: str) -> bool:
        return event_id in self._doubtful

    def doubt(self, command: Command) -> None:
        """Remember that its caller cannot know whether it was committed."""
        self._doubtful[command.events[0].id] = None
        if len(self._doubtful) > DOUBTFUL_MAX:
            del self._doubtful[next(iter(self._doubtful))]

    def unknown(self, pending: Pending, cause: BaseException) -> OutcomeUnknown | CopiesDisagree:
        """The error for a command that may or may not have been committed.

        A CopiesDisagree is told as it is: it names both heads, and what to do comes before this command.
        """
        self.doubt(pending.command)
        if isinstance(cause, CopiesDisagree):
            return cause
        error = OutcomeUnknown(
            "the connection was lost while this command was committed, and what became of it cannot be"
            f" read: {cause}",
            hint="append it again to this open log with the same event ids, or anywhere with the same"
            " idempotency key: it cannot land twice",
        )
        error.__cause__ = cause
        return error

    async def by_event_id(self, pending: Pending, first_stream: StreamState | None) -> Receipt | None:
        """The receipt of a command whose commit lost its answer; None when it is not in the log.

        Args:
            first_stream: the stream of its first event, asked for after the commit was lost.
        """
        events = pending.command.events
        if first_stream is None or first_stream.id is None:
            return None
        position = (await self._reads.find([first_stream.id], [events[0].id])).get(events[0].id)
        if position is None:
            return None
        receipt = await self._reads.places(position, len(events), duplicate=False)
        self._doubtful.pop(events[0].id, None)
        return receipt

    async def by_key(self, pending: Pending) -> Receipt | None:
        """The receipt of the command that first used the same idempotency key, if any did."""
        key = pending.command.idempotency_key
        return None if key is None else await self._reads.original(pending.streams[0].tenant, key)


def conflict(stream: StreamId, expected: int, actual: int) -> Conflict:
    """The error for a stream that is not at the expected version."""
    was = "does not exist" if actual == 0 else f"is at version {actual}"
    return Conflict(
        f"{stream} {was}, expected {'no stream' if expected == 0 else f'version {shown(expected)}'}",
        hint="someone appended first; reload it and decide again",
        stream=stream,
        expected_version=expected,
        actual_version=actual,
    )
