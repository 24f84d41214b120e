"""What the agents of a run append: commands of every kind on a few streams that all of them share.

Which stream, how many events, what is expected and which key is repeated comes from the seed.
"""

from __future__ import annotations

import string
import uuid
from random import Random

from eventlog.command import Command, Receipt
from eventlog.envelope import NewEvent, StreamId, new_event
from tests.support.builders import story

_LETTERS = string.ascii_letters + string.digits


class Author:
    """Makes commands. Remembers versions as agents were told them: old ones by the time they count."""

    def __init__(self, random: Random, streams: int, text_bytes: int) -> None:
        self._random = random
        self._streams = [story(f"s{number}") for number in range(streams)]
        self._versions: dict[StreamId, int] = {}
        self._keys: list[str] = []
        self._text_bytes = text_bytes

    def command(self) -> Command:
        random = self._random
        kind, fields = random.random(), {}
        streams = [random.choice(self._streams)]
        if kind < 0.15:
            streams = random.sample(self._streams, min(len(self._streams), random.randint(2, 3)))
        events = [self._event(stream) for stream in streams]
        if random.random() < 0.25:
            events += [self._event(random.choice(streams)) for _ in range(random.randint(1, 4))]
        if random.random() < 0.3:
            fields["expected"] = {streams[0]: max(0, self._versions.get(streams[0], 0) + self._error())}
        if random.random() < 0.2:
            fields["idempotency_key"] = self._key()
        if random.random() < 0.1:
            fields["durability"] = "postgres"
        return Command(events, **fields)

    def told(self, receipt: Receipt) -> None:
        self._versions.update(receipt.versions)

    def conflicted(self, stream: StreamId, version: int) -> None:
        self._versions[stream] = version

    def _error(self) -> int:
        return self._random.choice((0, 0, 0, 0, -1, 1))

    def _key(self) -> str:
        if self._keys and self._random.random() < 0.4:
            return self._random.choice(self._keys[-4:])
        self._keys.append(f"key-{len(self._keys)}")
        return self._keys[-1]

    def _event(self, stream: StreamId) -> NewEvent:
        random = self._random
        text = "".join(random.choices(_LETTERS, k=random.randrange(self._text_bytes)))
        type = random.choice(("said", "said", "turned", "noted"))
        id = str(uuid.UUID(int=random.getrandbits(128), version=4))
        return new_event(stream, type, {"text": text} if type == "said" else None, id=id)
