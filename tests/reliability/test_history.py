"""The judge of histories sees each kind of wrong, and nothing wrong in what a real log does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

import agentlog
from agentlog.queue import Queue
from agentlog.scope import Scope
from eventlog.command import Command, Receipt
from eventlog.embedded.server import EmbeddedPostgres
from eventlog.envelope import Event, NewEvent, StreamId, decode_lines, encode_line, new_event
from eventlog.errors import Conflict, LogUnavailable, NotMirrored, OutcomeUnknown
from eventlog.events import NULL, QUEUE_ITEM, ItemClaimed, ItemCompleted, ItemEnqueued, new
from tests.reliability.history import check, compare_copies
from tests.reliability.recorder import Call, Recorder, Sent, SentEvent, Told, content_of, read_calls
from tests.support.builders import IDS

ONE, TWO = StreamId("acme", "note", "one"), StreamId("acme", "note", "two")
ITEM = StreamId("acme", QUEUE_ITEM, "item")
TIME = "2026-01-01T00:00:00.000000Z"


def note(stream: StreamId = ONE, text: str = "") -> NewEvent:
    return new_event(stream, "noted", {"text": text}, id=IDS.next())


class World:
    """A log and its clients, made by hand: what a good log would do, until a test spoils it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.events: list[Event] = []
        self.now_ns = 0
        self.versions: dict[StreamId, int] = {}

    def send(
        self, *events: NewEvent, expected: dict[StreamId, int] | None = None, key: str | None = None
    ) -> Call:
        self.now_ns += 1
        sent = [SentEvent(event.id, event.stream, content_of(event)) for event in events]
        call = Call(Sent(f"{len(self.calls)}", "", self.now_ns, sent, list((expected or {}).items()), key))
        self.calls.append(call)
        return call

    def commit(self, *events: NewEvent) -> Receipt:
        for event in events:
            version = self.versions[event.stream] = self.versions.get(event.stream, 0) + 1
            line = encode_line(event, len(self.events) + 1, version, TIME)
            self.events += decode_lines(line)
        last = len(self.events)
        versions = {event.stream: self.versions[event.stream] for event in events}
        return Receipt(last - len(events) + 1, last, versions, TIME)

    def tell(self, call: Call, receipt: Receipt) -> None:
        self.now_ns += 1
        call.told = Told(
            call.sent.call, self.now_ns, "appended", "", True, receipt.first_position,
            receipt.last_position, list(receipt.versions.items()), receipt.time, receipt.duplicate,
        )  # fmt: skip

    def refuse(self, call: Call, error: str = "LogUnavailable", **values: Any) -> None:
        self.now_ns += 1
        call.told = Told(call.sent.call, self.now_ns, "refused", error, **values)

    def append(self, *events: NewEvent, **options: Any) -> Call:
        call = self.send(*events, **options)
        self.tell(call, self.commit(*events))
        return call

    def spoil(self, place: int, **values: Any) -> None:
        self.events[place - 1] = msgspec.structs.replace(self.events[place - 1], **values)

    def found(self) -> list[str]:
        return check([self.calls], self.events)


def good() -> World:
    """Some of everything that a log does, all of it right."""
    world = World()
    world.append(note())
    world.append(note(ONE), note(TWO), note(ONE), expected={ONE: 1, TWO: 0})
    world.refuse(world.send(note(), expected={ONE: 2}), "Conflict", stream=ONE, actual_version=3)
    world.refuse(world.send(note()))
    world.send(note())  # never heard of again
    unknown = note(TWO)
    world.send(unknown)
    world.commit(unknown)
    keyed = note(TWO)
    receipt = world.commit(keyed)
    world.tell(world.send(keyed, key="k"), receipt)
    world.tell(world.send(note(), key="k"), msgspec.structs.replace(receipt, duplicate=True))
    item = [ItemEnqueued(NULL), ItemClaimed("w", 0.0), ItemClaimed("v"), ItemEnqueued(NULL)]
    for event in [*item, ItemClaimed("w"), ItemCompleted()]:
        world.append(new(ITEM, event, id=IDS.next()))
    return world


def test_a_good_history_is_found_good():
    assert good().found() == []


def lost_at_the_end(world: World) -> None:
    world.events.pop()


def lost_and_filled(world: World) -> None:
    world.spoil(1, id=IDS.next())


def told_another_version(world: World) -> None:
    receipt = world.commit(event := note())
    world.tell(world.send(event), msgspec.structs.replace(receipt, versions={ONE: 77}))


def told_another_time(world: World) -> None:
    receipt = world.commit(event := note())
    world.tell(world.send(event), msgspec.structs.replace(receipt, time=TIME.replace("2026", "2027")))


def never_sent(world: World) -> None:
    world.commit(note())


def twice(world: World) -> None:
    world.send(event := note())
    world.commit(event)
    world.commit(event)


def altered(world: World) -> None:
    world.spoil(1, data=msgspec.Raw(b'{"text":"another"}'))


def a_gap_in_positions(world: World) -> None:
    world.spoil(3, position=99)


def a_gap_in_versions(world: World) -> None:
    world.spoil(3, version=99)


def half_a_command(world: World) -> None:
    first, second = note(), note(TWO)
    world.send(first, second)
    world.commit(first)


def the_other_half(world: World) -> None:
    first, second = note(), note(TWO)
    world.send(first, second)
    world.commit(second)


def an_interrupted_command(world: World) -> None:
    first, between, second = note(), note(), note(TWO)
    world.send(first, second)
    world.send(between)
    world.commit(first, between, second)


def overtaken(world: World) -> None:
    """Told before the other was sent, and behind it in the log."""
    first, second = note(), note()
    told = world.send(second)
    late = world.commit(first), world.commit(second)
    world.tell(told, late[1])
    world.tell(world.send(first), late[0])


def a_false_expectation(world: World) -> None:
    world.append(note(), expected={ONE: 1})


def a_false_expectation_elsewhere(world: World) -> None:
    world.append(note(), expected={TWO: 1})


def a_conflict_of_the_past(world: World) -> None:
    world.refuse(world.send(note(), expected={ONE: 2}), "Conflict", stream=ONE, actual_version=1)


def a_conflict_of_the_future(world: World) -> None:
    world.refuse(world.send(note(), expected={ONE: 3}), "Conflict", stream=ONE, actual_version=4)
    world.append(note())


def a_conflict_that_never_was(world: World) -> None:
    world.refuse(world.send(note(), expected={ONE: 3}), "Conflict", stream=ONE, actual_version=3)


def a_key_used_twice(world: World) -> None:
    world.append(note(), key="k")


def a_key_with_another_result(world: World) -> None:
    receipt = world.commit(event := note())
    world.tell(world.send(event), receipt)
    world.tell(world.send(note(), key="k"), msgspec.structs.replace(receipt, duplicate=True))


def a_key_with_a_conflict(world: World) -> None:
    call = world.send(note(), expected={ONE: 1}, key="k")
    world.refuse(call, "Conflict", stream=ONE, actual_version=3)


def refused_and_there(world: World) -> None:
    world.refuse(world.send(event := note()))
    world.commit(event)


def a_strange_error(world: World) -> None:
    call = world.send(note())
    call.told = Told(call.sent.call, world.now_ns, "unknown", "KeyError: 'x'", False)


def claimed_twice(world: World) -> None:
    for event in (ItemEnqueued(NULL), ItemClaimed("w", 60.0), ItemClaimed("v")):
        world.append(new(ITEM, event, id=IDS.next()))


def claimed_when_done(world: World) -> None:
    world.append(new(ITEM, ItemClaimed("v"), id=IDS.next()))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lost_at_the_end, "LOST call"),
        (lost_and_filled, "are not the events that were told to be there"),
        (told_another_version, "told versions"),
        (told_another_time, "told time"),
        (never_sent, "PHANTOM position"),
        (twice, "DUPLICATE position"),
        (altered, "is not what was sent"),
        (a_gap_in_positions, "position 99 stands where 3"),
        (a_gap_in_versions, "is version 99"),
        (half_a_command, "TORN call"),
        (the_other_half, "TORN call"),
        (an_interrupted_command, "TORN call"),
        (overtaken, "had been acknowledged"),
        (a_false_expectation, "it was at 3"),
        (a_false_expectation_elsewhere, "it was at 3"),
        (a_conflict_of_the_past, "not so between"),
        (a_conflict_of_the_future, "not so between"),
        (a_conflict_that_never_was, "never was a conflict"),
        (a_key_used_twice, "DUPLICATE key"),
        (a_key_with_another_result, "where no command with it stands"),
        (a_key_with_a_conflict, "had its result before"),
        (refused_and_there, "refused with LogUnavailable, and is at position"),
        (a_strange_error, "no answer to an append"),
        (claimed_twice, "CLAIMED TWICE"),
        (claimed_when_done, "CLAIMED TWICE"),
    ],
)
def test_each_kind_of_wrong_is_found(wrong: Callable[[World], None], said: str):
    world = good()
    wrong(world)
    assert any(said in line for line in world.found()), world.found()


def test_a_command_that_is_handed_in_again_is_one_command():
    """Unknown, then refused while Postgres was away, then found: it is there once, and rightly so."""
    world, event = World(), note()
    world.send(event, expected={ONE: 0})
    receipt = world.commit(event)
    world.refuse(world.send(event, expected={ONE: 0}))
    world.append(note())
    world.tell(world.send(event, expected={ONE: 0}), receipt)
    assert world.found() == []


async def test_what_was_raised_is_written_down_as_what_it_means(tmp_path: Path):
    """A torn line says nothing; what follows it is read."""
    receipt = Receipt(1, 1, {ONE: 1}, TIME)
    path, torn = tmp_path / "notes", b'\n{"type":"to'
    errors: list[BaseException] = [
        Conflict("c", stream=ONE, expected_version=3, actual_version=7),
        LogUnavailable("l"),
        OutcomeUnknown("o"),
        NotMirrored("n", receipt=receipt),
        asyncio.CancelledError(),
        KeyError("k"),
    ]

    class Failing:
        async def append(self, command: Command) -> Receipt:
            raise errors[0]

    notes = Recorder(path)
    while errors:
        with pytest.raises(type(errors[0])):
            await notes.append(Failing(), Command([note()]))
        errors.pop(0)
        path.write_bytes(path.read_bytes() + torn)
    notes.close()
    told = [call.told for call in read_calls(path)]
    assert [(one.outcome, one.error, one.expected_error) for one in told if one is not None] == [
        ("refused", "Conflict", True),
        ("refused", "LogUnavailable", True),
        ("unknown", "OutcomeUnknown", True),
        ("appended", "NotMirrored", True),
        ("unknown", "CancelledError", True),
        ("unknown", "KeyError: 'k'", False),
    ]
    assert told[0] is not None
    assert (told[0].stream, told[0].actual_version) == (ONE, 7)


async def test_a_real_log_keeps_to_its_histories_and_altered_copies_are_seen(
    tmp_path: Path, postgres_server: EmbeddedPostgres, postgres_database: dict[str, Any]
):
    """Streams, keys and a queue, by many at once; then one row after the other is spoiled by hand."""
    async with agentlog.open(tmp_path / "data", postgres=postgres_database, migrate=True) as store:
        recorder = Recorder(tmp_path / "notes")
        log = recorder.recording(store.log)
        queue = Queue(Scope(log, ""))
        commands = [
            Command([note(ONE), note(TWO)], {ONE: n} if n % 3 else {}, f"key {n % 5}" if n % 4 else None)
            for n in range(60)
        ]
        await asyncio.gather(*map(log.append, commands), return_exceptions=True)
        await asyncio.gather(*(queue.enqueue(None, n) for n in range(10)))
        claimed = await asyncio.gather(*(queue.claim(f"worker {n}", limit=3) for n in range(5)))
        assert sum(map(len, claimed)) == 10
        recorder.close()
        events = [event async for block in store.log.read() for event in block]
        calls = read_calls(tmp_path / "notes")
        assert len(calls) == 74  # a command each, and one for all that a worker claims
        assert check([calls], events) == []
        assert await compare_copies(store) == []
        connection = await asyncpg.connect(**postgres_database)
        await connection.execute(
            "set session_replication_role = replica"
        )  # the log's tables refuse otherwise
        for change in (
            "update agentlog.queue_items set worker = 'nobody'",
            "update agentlog.head set chain = sha256('')",
            "update agentlog.events set type = 'spoiled' where position = 3",
        ):
            await connection.execute(change)
            assert await compare_copies(store) != [], change
        await connection.close()
