"""What agents do all day, at random: the load under which processes and servers are killed.

    load = Load(store, recorder, seed=1, agents=12)
    await load.run(steps=100)          # None: until somebody puts an end to it

Everything they append is written down by the recorder. Each step is bounded in time: one that takes
longer is a complaint. Agents live with refusals; a command whose outcome is unknown is handed in again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from agentlog.conversation import Conversations
from agentlog.errors import AlreadyExists, NotFound, Refused
from agentlog.queue import Queue
from agentlog.scope import Scope
from agentlog.store import Store
from eventlog.command import Command
from eventlog.envelope import NewEvent, StreamId, new_event
from eventlog.errors import Conflict, LogUnavailable, OutcomeUnknown
from tests.reliability.recorder import Recorder

STREAMS = [StreamId(tenant, "note", key) for tenant in ("", "acme") for key in ("a", "a:b", "c")]
SESSIONS = ["one", "two", "three"]
# Incompressible, so that small segments are filled and rotate; NUL and beyond the BMP as well.
CHARACTERS = "".join(map(chr, range(32, 127))) + "\x00äß€😀\u2028"
STEP_LIMIT_S = 60.0
PAUSE_AWAY_S = 0.02


class Load:
    """Agents of one process on one open store.

    Attributes:
        appended: how many steps were taken without a refusal.
        complaints: what took longer than STEP_LIMIT_S, or was answered as it never should be.
    """

    def __init__(self, store: Store, recorder: Recorder, *, seed: int, agents: int) -> None:
        self.appended = 0
        self.complaints: list[str] = []
        self._log = recorder.recording(store.log)
        scope = Scope(self._log, "")
        self._queue, self._conversation = Queue(scope), Conversations(scope)
        self._chance = random.Random(seed)
        self._agents = agents
        self._going = asyncio.Event()
        self._going.set()
        self._stepping = 0
        self._still = asyncio.Event()
        self._versions: dict[StreamId, int] = {}
        self._kinds: list[Callable[[], Awaitable[None]]] = [
            self._note, self._note, self._several, self._expecting, self._keyed, self._message, self._item,
        ]  # fmt: skip

    async def run(self, steps: int | None = None) -> None:
        """Let all agents go on: each so many steps, or for ever."""
        await asyncio.gather(*(self._agent(steps) for _ in range(self._agents)))

    async def pause(self) -> None:
        """Let every agent end its step, and return when all have. `go_on` sets them to work again."""
        self._going.clear()
        while self._stepping:
            self._still.clear()
            await self._still.wait()

    def go_on(self) -> None:
        self._going.set()

    async def _agent(self, steps: int | None) -> None:
        done = 0
        while steps is None or done < steps:
            await self._going.wait()
            done += 1
            self._stepping += 1
            await self._step()
            self._stepping -= 1
            self._still.set()

    async def _step(self) -> None:
        step = self._chance.choice(self._kinds)
        try:
            async with asyncio.timeout(STEP_LIMIT_S):
                await step()
            self.appended += 1
        except TimeoutError:
            self.complaints.append(f"{step.__name__} took more than {STEP_LIMIT_S} s")
        except (Conflict, Refused, AlreadyExists, NotFound):
            return
        except (LogUnavailable, OutcomeUnknown):
            await asyncio.sleep(PAUSE_AWAY_S)
        except Exception as error:  # whatever else a handle raises, no agent could know what to do
            self.complaints.append(f"{step.__name__} raised {type(error).__name__}: {error}")

    def _new(self, stream: StreamId) -> NewEvent:
        length = self._chance.choice([0, 20, 200, 1500])
        text = "".join(self._chance.choices(CHARACTERS, k=length))
        return new_event(stream, "note_taken", {"text": text}, id=self._log.ids.next())

    async def _append(self, command: Command) -> None:
        """Append, and again while it is unknown whether it was: that must never append it twice."""
        doubted = False
        while True:
            try:
                receipt = await self._log.append(command)
            except OutcomeUnknown:
                doubted = True
                await asyncio.sleep(PAUSE_AWAY_S)
            except LogUnavailable:
                if not doubted:
                    raise
                self.complaints.append("a command in doubt was told that nothing of it was appended")
                await asyncio.sleep(PAUSE_AWAY_S)
            else:
                break
        for stream, version in receipt.versions.items():
            self._versions[stream] = max(version, self._versions.get(stream, 0))

    async def _note(self) -> None:
        durability = "postgres" if self._chance.random() < 0.1 else None
        await self._append(Command([self._new(self._chance.choice(STREAMS))], durability=durability))

    async def _several(self) -> None:
        tenant = self._chance.choice(["", "acme"])
        streams = [stream for stream in STREAMS if stream.tenant == tenant]
        events = [self._new(self._chance.choice(streams)) for _ in range(self._chance.randint(2, 8))]
        await self._append(Command(events))

    async def _expecting(self) -> None:
        stream = self._chance.choice(STREAMS)
        expected = {stream: self._versions.get(stream, 0)}
        try:
            await self._append(Command([self._new(stream), self._new(stream)], expected))
        except Conflict as conflict:
            self._versions[stream] = conflict.actual_version
            raise

    async def _keyed(self) -> None:
        key = f"key {self._chance.randrange(self.appended // 4 + 4)}"
        await self._append(Command([self._new(STREAMS[0])], idempotency_key=key))

    async def _message(self) -> None:
        text = "".join(self._chance.choices(CHARACTERS, k=40))
        await self._conversation.append(
            self._chance.choice(SESSIONS), {"role": "user", "content": text}, tenant="acme"
        )

    async def _item(self) -> None:
        worker = f"worker {self._chance.randrange(3)}"
        await self._queue.enqueue(None, self.appended)
        for item in await self._queue.claim(worker, limit=2):
            await self._queue.complete(item)
