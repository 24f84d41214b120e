"""What another store holds, as events with ids that are the same on every import. Reads nothing.

The id of an event is the UUID version 5 (RFC 9562) of these, joined by NUL characters:

    format, tenant, stream kind, stream key, SHA-256 of type, time and data, which occurrence of that
    very event in its stream it is (from 0)

So what did not change since the last import is present, and what did is another fact.
"""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import datetime
from hashlib import sha256

from eventlog.envelope import NewEvent, check_stream, format_time
from eventlog.events import AgentEvent, new
from replay.imports.identity import named_id

_NO_ID = str(uuid.UUID(int=0))


class Facts:
    """Events of one thing and its parts (a session, a key …), in order.

    Attributes:
        events: so far.
    """

    def __init__(self, format: str, tenant: str) -> None:
        self.tenant = tenant
        self.events: list[NewEvent] = []
        self._format = format
        self._seen: Counter[tuple[str, str, bytes]] = Counter()

    def add(
        self,
        kind: str,
        key: str,
        event: AgentEvent,
        occurred_at: datetime | None = None,
        *,
        identity: tuple[AgentEvent, datetime | None] | None = None,
    ) -> None:
        """Add one event.

        Args:
            identity: event and time that the id is made from instead, where what is said of the same fact
                is another on each import.
        Raises:
            BadIdentifier: there can be no such stream. BadPayload, EventTooLarge: no such event.
        """
        stream = check_stream(self.tenant, kind, key)
        named, named_at = identity or (event, occurred_at)
        time = None if named_at is None else format_time(named_at)
        draft = new(stream, named, id=_NO_ID, occurred_at=time)
        said = "\0".join((draft.type, str(draft.schema), time or "", draft.encoding or ""))
        digest = sha256(said.encode() + b"\0" + draft.data).digest()
        occurrence = self._seen[kind, key, digest]
        id = named_id(self._format, self.tenant, kind, key, digest.hex(), str(occurrence))
        time = None if occurred_at is None else format_time(occurred_at)
        self.events.append(new(stream, event, id=id, occurred_at=time))
        self._seen[kind, key, digest] += 1
