"""A whole agentlog on the disk, its embedded Postgres and its segments: agents at work, and the check.

Agents write down what they sent and were told outside of the disk (recorder.py); the judge of
histories (history.py) compares that, as far as it had happened before the cut, with both copies.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

import agentlog
from agentlog.conversation import Conversations
from agentlog.queue import Queue
from agentlog.scope import Scope
from agentlog.store import Store
from eventlog.clock import SystemClock
from eventlog.command import Command
from eventlog.directory import DataDirectory
from eventlog.envelope import StreamId, new_event
from eventlog.errors import Conflict
from eventlog.io import SystemIo
from eventlog.segment.store import SegmentStore
from eventlog.settings import Settings
from tests.reliability.history import check, compare_copies
from tests.reliability.power_cut.rig import Disk
from tests.reliability.recorder import Call, Recorder, RecordingLog, read_calls

AGENTS = (1, 4, 16)
ACTS = 240  # by all agents together
STREAMS = [StreamId("", "note", name) for name in "abcdefgh"]
SESSIONS = ["agent:main", "agent:main:telegram", "cron"]


class Notes:
    """What clients sent and were told."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls

    def until(self, moment_ns: float) -> Notes:
        """Return what had happened before a moment; who was told later had not been told."""
        return Notes([
            call if call.told is None or call.told.at_ns < moment_ns else Call(call.sent)
            for call in self.calls
            if call.sent.at_ns < moment_ns
        ])  # fmt: skip

    @property
    def acknowledged(self) -> int:
        """The last position of which somebody was told that both copies have it."""
        told = [call.told for call in self.calls if call.told is not None and not call.told.error]
        return max((receipt.last_position for receipt in told), default=0)

    def moments_told_ns(self) -> list[int]:
        return [call.told.at_ns for call in self.calls if call.told is not None]


class Stores:
    """One agentlog with its embedded server, from empty on.

    Attributes:
        counts: what was met that shows how much the cuts were worth.
    """

    name = "Postgres + segment"
    disk_mib = 512

    def __init__(self, random: Random, disk: Disk) -> None:
        self.random, self.disk = random, disk
        self.counts: Counter[str] = Counter()

    def load(self, place: Path) -> Notes:
        """Let agents work until they have done enough; return what they wrote down."""
        return Notes(asyncio.run(self._load(place)))

    def check(self, place: Path, notes: Notes) -> Notes:
        """Open what a cut left, compare both copies with the notes, and let agents go on.

        Returns:
            What holds from here on, for a cut of this very recovery.
        """
        head = self._check_segments(place / "data", notes)
        return Notes([*notes.calls, *asyncio.run(self._check(place, notes, head))])

    async def _load(self, place: Path) -> list[Call]:
        async with agentlog.open(place / "data") as store:
            return await self.work(store, self.random.choice(AGENTS), ACTS)

    async def _check(self, place: Path, notes: Notes, segments_head: int) -> list[Call]:
        async with agentlog.open(place / "data") as store:
            head = (await store.log.head()).position
            assert segments_head <= head, f"the segments were at {segments_head}, Postgres at {head}"
            self.counts["postgres_ahead_of_segments"] += segments_head < head
            self.counts["more_than_acknowledged_survived"] += head > notes.acknowledged
            events = [event async for block in store.log.read() for event in block]
            assert check([notes.calls], events) == []
            calls = await self.work(store, 2, 6)
            events = [event async for block in store.log.read() for event in block]
            assert check([[*notes.calls, *calls]], events) == []
            assert await compare_copies(store) == []
            return calls

    def _check_segments(self, data: Path, notes: Notes) -> int:
        """Return where the local copy ends by itself: on opening, Postgres would fill what it lacks."""
        if not (data / "segments").exists():
            assert notes.acknowledged == 0, f"LOST: {notes.acknowledged} told, and there is no segment"
            return 0
        log_id = DataDirectory(data, SystemIo()).log_id
        with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
            copy = shutil.copytree(data / "segments", Path(scratch) / "segments")
            store = SegmentStore.open(
                str(copy), log_id=log_id or uuid.UUID(int=0), io=SystemIo(), clock=SystemClock(),
                settings=Settings(), durable_witness=notes.acknowledged,
            )  # fmt: skip
            head = store.head_position
            self.counts["torn_tails_cut"] += bool(store.recovery)
            store.close()
        assert head >= notes.acknowledged, f"LOST: {notes.acknowledged} told, the segments end at {head}"
        return head

    async def work(self, store: Store, agents: int, acts: int) -> list[Call]:
        """Let agents do so many things; return what they wrote down."""
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as notes:
            recorder = Recorder(notes.name)
            log = recorder.recording(store.log)
            await asyncio.gather(*(self._agent(log, f"agent {n}", acts // agents) for n in range(agents)))
            recorder.close()
            return read_calls(notes.name)

    async def _agent(self, log: RecordingLog, name: str, acts: int) -> None:
        random = self.random
        scope = Scope(log, "")
        queue, conversations = Queue(scope), Conversations(scope)
        for _ in range(acts):
            match random.randrange(8):
                case 0:
                    await queue.enqueue(random.choice([None, *SESSIONS]), {"by": name})
                case 1:
                    for item in await queue.claim(name, limit=2):
                        await queue.complete(item)
                case 2 | 3:
                    message = {"role": "user", "content": text(random)}
                    await conversations.append(random.choice(SESSIONS), message)
                case _:
                    await self._note(log)

    async def _note(self, log: RecordingLog) -> None:
        """Append to a few streams at once, sometimes at an expected version or with a key."""
        random = self.random
        streams = random.sample(STREAMS, random.choice((1, 1, 2, 3)))
        events = [new_event(s, "note_taken", {"text": text(random)}, id=log.ids.next()) for s in streams]
        expected = {streams[0]: random.randrange(3)} if random.random() < 0.1 else {}
        key = f"key {random.randrange(6)}" if random.random() < 0.1 else None
        with suppress(Conflict):  # an answer like any other: the judge looks whether it was true
            await log.append(Command(events, expected=expected, idempotency_key=key))


def text(random: Random) -> str:
    """Something that hardly compresses, mostly short."""
    return random.randbytes(random.choice((20, 100, 400, 4000))).hex()
