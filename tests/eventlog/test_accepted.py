"""What became of a batch: places, receipts and the block, also when some of it was refused. Pure."""

from __future__ import annotations

import asyncio

import pytest

from eventlog.accepted import accepted
from eventlog.batch import Pending, form_batch
from eventlog.command import Command, Receipt
from eventlog.envelope import decode_lines, time_to_us
from eventlog.postgres.append import Appended
from eventlog.segment.appender import check_block
from tests.support.builders import said, story

A, B, C = (story(key) for key in "abc")
LOOP = asyncio.new_event_loop()
LOOP.close()
TIME = "2026-11-22T07:44:36.000001Z"


def pending(command: Command, tick: int) -> Pending:
    made = Pending(command, command.check(), asyncio.Future(loop=LOOP), tick, True)
    made.store(lambda data: (False, data))
    return made


def three_groups() -> list[Pending]:
    """Group 1: two commands on A. Group 2: one on B. Group 3: one on C, of two events."""
    commands = [
        Command([said(A, "1")]),
        Command([said(B, "2")]),
        Command([said(C, "3"), said(C, "4")]),
        Command([said(A, "5")]),
    ]
    return [pending(command, tick) for tick, command in enumerate(commands)]


@pytest.mark.parametrize(
    ("refused", "places", "texts"),
    [
        (set(), [(10, 10), (11, 11), (12, 13), (14, 14)], ["1", "2", "3", "4", "5"]),
        ({2}, [(10, 10), None, (11, 12), (13, 13)], ["1", "3", "4", "5"]),
        ({1}, [None, (10, 10), (11, 12), None], ["2", "3", "4"]),
        ({1, 2}, [None, None, (10, 11), None], ["3", "4"]),
    ],
)
def test_positions_go_on_over_what_was_accepted_and_receipts_name_them(
    refused: set[int], places: list[tuple[int, int] | None], texts: list[str]
):
    """As the append function numbers them: a refused group leaves no gap."""
    commands = three_groups()
    batch = form_batch(commands, {}, {})
    chains = bytes(32), bytes([1]) * 32
    answer = Appended(10, time_to_us(TIME), *chains, [1, 2, 3], frozenset(refused), [], [])
    committed = accepted(batch, answer)
    receipts = {pending.tick: receipt for pending, receipt in committed.waiting}
    found = [receipts.get(pending.tick) for pending in commands]
    assert [receipt and (receipt.first_position, receipt.last_position) for receipt in found] == places
    assert committed.block is not None
    check_block(committed.block)
    events = decode_lines(committed.block.lines)
    assert [event.value["text"] for event in events] == texts
    assert [event.position for event in events] == list(range(10, 10 + len(texts)))
    assert committed.last_position == events[-1].position
    assert (committed.block.first_position, committed.block.count) == (10, len(texts))
    assert (committed.block.chain_before, committed.block.chain_after) == chains
    for receipt in filter(None, found):
        own = events[receipt.first_position - 10 : receipt.last_position - 9]
        assert receipt.versions == {event.stream_id: event.version for event in own}
        assert receipt.time == TIME


def test_a_receipt_tells_the_last_version_on_each_stream():
    command = Command([said(A), said(B), said(A)])
    one = pending(command, 1)
    answer = Appended(1, time_to_us(TIME), bytes(32), bytes(32), [1, 2], frozenset(), [], [])
    [(_, receipt)] = accepted(form_batch([one], {}, {}), answer).waiting
    assert receipt == Receipt(1, 3, {A: 2, B: 1}, TIME)
