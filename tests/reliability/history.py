"""Judges a log by what its clients wrote down: nothing acknowledged is lost, nothing is there twice.

    violations = check([read_calls(path)], events)        # recorder.py wrote it; [] is as it should be
    differences = await compare_copies(store)

Every rule below is one function. Histories may come from any number of processes of one machine, and
must be all of the log's writers. A command that is handed in again after an OutcomeUnknown is the same
command: same event ids, same expectations. Keys must not expire within a run.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain

from agentlog.store import Store
from eventlog.envelope import CHAIN_START, Event, StreamId, time_to_us, unplaced
from eventlog.events import (
    QUEUE_ITEM,
    ItemCancelled,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    ItemFailed,
    ItemInterrupted,
    ItemReleased,
    event_type,
)
from eventlog.log import Log
from replay.verify import verify
from tests.reliability.recorder import APPENDED, REFUSED, Call, SentEvent, Told, content_of

_EVER = float("inf")


class Evidence:
    """Calls and events, looked up in all the ways that the rules need.

    Attributes:
        place: position by event id.
        commands: calls by the id of their first event; more than one when it was handed in again.
        after, before: by position: the last moment at which its commit had certainly not taken place,
            and the first at which it certainly had, in nanoseconds.
        positions_of: of each stream's versions.
    """

    def __init__(self, calls: Sequence[Call], events: Sequence[Event]) -> None:
        self.calls, self.events = calls, events
        # Counted here and not believed: a gap in the positions is one rule's matter, and no other's.
        self.place = {event.id: place for place, event in enumerate(events, 1)}
        self.commands: dict[str, list[Call]] = defaultdict(list)
        for call in calls:
            self.commands[call.id].append(call)
        self.positions_of: dict[StreamId, list[int]] = defaultdict(list)
        for place, event in enumerate(events, 1):
            self.positions_of[event.stream_id].append(place)
        self.after, self.before = self._bounds()

    def at(self, position: int) -> Event | None:
        return self.events[position - 1] if 1 <= position <= len(self.events) else None

    def receipts(self) -> Iterator[tuple[Call, Told]]:
        """Calls that were acknowledged."""
        return ((call, call.told) for call in self.calls if call.told and call.told.outcome == APPENDED)

    def _bounds(self) -> tuple[list[float], list[float]]:
        """When each position was committed, as far as clients can tell.

        Commits are in the order of positions: one took place after everything up to it was sent, and
        before anything from it on was told.
        """
        sent, told = [-_EVER] * (len(self.events) + 1), [_EVER] * (len(self.events) + 1)
        for command in self.commands.values():
            for event in command[0].sent.events:
                if (place := self.place.get(event.id)) is not None:
                    sent[place] = min(call.sent.at_ns for call in command)
        for _, receipt in self.receipts():
            for position in range(receipt.first_position, min(receipt.last_position, len(told) - 1) + 1):
                told[position] = min(told[position], receipt.at_ns)
        return list(accumulate(sent, max)), list(accumulate(reversed(told), min))[::-1]


def check(histories: Iterable[Sequence[Call]], events: Sequence[Event]) -> list[str]:
    """Return every way in which a log contradicts its clients' histories; none is as it should be.

    Args:
        histories: what `read_calls` returned, of all clients.
        events: the whole log, in order.
    """
    evidence = Evidence(list(chain.from_iterable(histories)), events)
    return [found for rule in RULES for found in rule(evidence)]


def positions_have_no_gap(evidence: Evidence) -> Iterator[str]:
    for place, event in enumerate(evidence.events, 1):
        if event.position != place:
            yield f"position {event.position} stands where {place} should"
            return


def versions_have_no_gap(evidence: Evidence) -> Iterator[str]:
    seen: dict[StreamId, int] = defaultdict(int)
    for event in evidence.events:
        seen[event.stream_id] += 1
        if event.version != seen[event.stream_id]:
            yield (
                f"position {event.position} is version {event.version} of {event.stream_id},"
                f" not {seen[event.stream_id]}"
            )


def acknowledged_is_there(evidence: Evidence) -> Iterator[str]:
    """Every acknowledged event stands where its receipt says, in every particular of the receipt."""
    for call, receipt in evidence.receipts():
        there = evidence.events[receipt.first_position - 1 : receipt.last_position]
        if not 1 <= receipt.first_position <= receipt.last_position <= len(evidence.events):
            yield f"LOST {call}: told {_range(receipt)}, the log ends at {len(evidence.events)}"
        elif not receipt.duplicate and [event.id for event in there] != _ids(call):
            yield f"LOST {call}: {_range(receipt)} are not the events that were told to be there"
        elif {event.stream_id: event.version for event in there} != dict(receipt.versions):
            yield f"{call}: told versions {receipt.versions}, which {_range(receipt)} do not have"
        elif there[-1].time != receipt.time:
            yield f"{call}: told time {receipt.time}, the log has {there[-1].time}"


def nothing_is_there_unsent_or_twice(evidence: Evidence) -> Iterator[str]:
    sent: dict[str, SentEvent] = {e.id: e for call in evidence.calls for e in call.sent.events}
    seen: set[str] = set()
    for event in evidence.events:
        said = sent.get(event.id)
        if said is None:
            yield f"PHANTOM position {event.position}: nobody ever sent event {event.id}"
        elif said.content != content_of(unplaced(event)):
            yield f"position {event.position} is not what was sent as event {event.id}"
        if event.id in seen:
            yield f"DUPLICATE position {event.position}: event {event.id} is there already"
        seen.add(event.id)


def commands_are_whole(evidence: Evidence) -> Iterator[str]:
    """All of a command's events, side by side in their order, or none."""
    for command in evidence.commands.values():
        places = [evidence.place.get(id) for id in _ids(command[0])]
        first = places[0]
        whole = not any(places) if first is None else places == list(range(first, first + len(places)))
        if not whole:
            yield f"TORN {command[0]}: its events stand at {places}"


def real_time_order_holds(evidence: Evidence) -> Iterator[str]:
    """What was acknowledged before something else was sent stands before it."""
    for place in range(1, len(evidence.events) + 1):
        if evidence.after[place] > evidence.before[place]:
            yield (
                f"position {place} or one before it was sent"
                " after it, or one behind it, had been acknowledged"
            )


def expected_versions_were_true(evidence: Evidence) -> Iterator[str]:
    """Where a command was accepted, each stream it named stood at exactly the version it expected."""
    for command in evidence.commands.values():
        place = evidence.place.get(command[0].id)
        if place is None:
            continue
        for stream, expected in command[0].sent.expected:
            version = bisect_left(evidence.positions_of.get(stream, []), place)
            if version != expected:
                yield f"{command[0]}: expected {stream} at {expected}; it was at {version}"


def conflicts_were_true(evidence: Evidence) -> Iterator[str]:
    """Between sent and told, the stream was for a moment at the version that a Conflict told."""
    for call in evidence.calls:
        told = call.told
        if told is None or told.stream is None:
            continue
        places, version = evidence.positions_of.get(told.stream, []), told.actual_version
        if version > len(places) or version == dict(call.sent.expected).get(told.stream):
            yield f"{call}: told that {told.stream} is at {version}, which never was a conflict"
            continue
        begun = evidence.after[places[version - 1]] if version else -_EVER
        ended = evidence.before[places[version]] if version < len(places) else _EVER
        if begun > told.at_ns or ended < call.sent.at_ns:
            yield f"{call}: told that {told.stream} is at {version}, which was not so between sent and told"


def keys_have_one_result(evidence: Evidence) -> Iterator[str]:
    keyed: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in evidence.calls:
        if call.sent.key is not None:
            keyed[call.sent.events[0].stream.tenant, call.sent.key].append(call)
    for (tenant, key), calls in keyed.items():
        what = f"key {key!r} of tenant {tenant!r}"
        landed = {call.id for call in calls if call.id in evidence.place}
        receipts = [call.told for call in calls if call.told and call.told.outcome == APPENDED]
        if len(landed) > 1:
            yield f"DUPLICATE {what}: {len(landed)} commands with it are in the log"
        for receipt in receipts:
            event = evidence.at(receipt.first_position)
            if event is not None and event.id not in landed:
                yield f"{what}: told position {receipt.first_position}, where no command with it stands"
        told_ns = min((receipt.at_ns for receipt in receipts), default=_EVER)
        for call in calls:
            if call.told and call.told.error == "Conflict" and call.sent.at_ns > told_ns:
                yield f"{call}: told Conflict, though {what} had its result before"


def refused_left_nothing(evidence: Evidence) -> Iterator[str]:
    for command in evidence.commands.values():
        if any(call.outcome != REFUSED for call in command):
            continue
        for id in _ids(command[0]):
            if id in evidence.place:
                told = command[-1].told
                assert told is not None
                yield f"{command[0]}: refused with {told.error}, and is at position {evidence.place[id]}"


def errors_are_answers(evidence: Evidence) -> Iterator[str]:
    for call in evidence.calls:
        if call.told is not None and not call.told.expected_error:
            yield f"{call}: told {call.told.error}, which is no answer to an append"


def claims_exclude_each_other(evidence: Evidence) -> Iterator[str]:
    """A queue item is claimed once, until it is enqueued again or the claim's lease is over."""
    free_from: dict[StreamId, float] = {}
    for event in evidence.events:
        stream = event.stream_id
        if stream.kind != QUEUE_ITEM:
            continue
        at = time_to_us(event.time)
        if event.type in _FREE:
            free_from[stream] = at
        elif event.type in _DONE:
            free_from[stream] = _EVER
        elif event.type == _CLAIMED:
            if at < free_from.get(stream, _EVER):
                yield f"CLAIMED TWICE position {event.position}: {stream} was not free"
            lease_s = event.value.get("lease_s")
            free_from[stream] = _EVER if lease_s is None else at + lease_s * 1_000_000


RULES: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    positions_have_no_gap,
    versions_have_no_gap,
    acknowledged_is_there,
    nothing_is_there_unsent_or_twice,
    commands_are_whole,
    real_time_order_holds,
    expected_versions_were_true,
    conflicts_were_true,
    keys_have_one_result,
    refused_left_nothing,
    errors_are_answers,
    claims_exclude_each_other,
)


async def compare_copies(store: Store, *, thorough: bool = True) -> list[str]:
    """Return how the copies of a store's log differ, or its projections from a rebuild; [] is well.

    Brings the local copy level first, as it is for who only reads.

    Args:
        thorough: compare tables and functions with this release's as well, and rebuild every projection
            beside its table; `verify` compares them with a fold in any case.
    """
    log = store.log
    assert isinstance(log, Log), "a store of one tenant cannot be compared"
    head = await log.catch_up()
    found = await _compare_lines(log, head)
    found += [str(finding) for finding in await verify(log, schema_check=thorough)]
    if thorough:
        found += [f"rebuilt: {finding}" for finding in (await store.rebuild()).differences]
    return found


async def _compare_lines(log: Log, head: int) -> list[str]:
    """Compare both copies byte for byte, and the chain of each with the other; by plain means."""
    after, link = 0, CHAIN_START
    for header, lines in log.segments.read_raw(0, head):
        count = lines.count(b"\n")
        rows = await log.reads.page(after, after + count, count)
        if b"".join(row.line for row in rows) != lines:
            return [f"positions {after + 1} to {after + count}: the copies hold other bytes"]
        for row in rows:
            link = row.chain_from(link)
            if row.chain not in (None, link):
                return [f"position {row.position}: Postgres keeps another chain value"]
        after += count
        if header.chain_after != link:
            return [f"position {after}: the segments keep another chain value"]
    there = await log.head()
    if after < head or (after == there.position and link != there.chain):
        return [f"the segments end at {after}, Postgres at {there.position}, or with another chain"]
    return []


def _ids(call: Call) -> list[str]:
    return [event.id for event in call.sent.events]


def _range(receipt: Told) -> str:
    return f"positions {receipt.first_position} to {receipt.last_position}"


_CLAIMED = event_type(ItemClaimed)
_FREE = (event_type(ItemEnqueued), event_type(ItemReleased))
_DONE = tuple(map(event_type, (ItemCompleted, ItemFailed, ItemInterrupted, ItemCancelled)))
