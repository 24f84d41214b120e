"""The streams a process follows, as it last knew them. What others append since is not here. Pure, no I/O."""

from __future__ import annotations

from eventlog.batch import StreamState
from eventlog.envelope import StreamId


class KnownStreams(dict[StreamId, StreamState]):
    """Streams by identity, the one not touched for longest first.

    Invariant: a stream's state is another object only when the stream has moved. Who looked something
    up on a state may rely on it for as long as that state is the known one.
    """

    def remember(self, stream: StreamId, state: StreamState) -> None:
        """Take `state` as the newest; the stream counts as touched."""
        self.pop(stream, None)
        self[stream] = state

    def learn(self, stream: StreamId, answer: StreamState) -> None:
        """Take what Postgres answered, unless a batch was committed while it was asked."""
        known = self.get(stream)
        if known is None or known.version < answer.version:
            self.remember(stream, answer)
        elif known.version == answer.version:
            # Not replaced: two commands that shared a stream had each other looked up for ever.
            self.remember(stream, known)
            known.confirmed = answer.confirmed

    def forget_surplus(self, streams_max: int) -> None:
        """Keep to the limit. Never while commands wait that need what is forgotten."""
        while len(self) > streams_max:
            del self[next(iter(self))]
