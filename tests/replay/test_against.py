"""Receipts: any change of history, in either copy or in both, makes `verify --against` fail and say where."""

from __future__ import annotations

import json
import random
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import pytest

from eventlog.clock import SystemClock
from eventlog.command import Command
from eventlog.envelope import (
    CHAIN_START,
    Event,
    chain_hash,
    encode_line,
    time_to_us,
    unplaced,
    us_to_time,
)
from eventlog.errors import BadInput
from eventlog.events import new
from eventlog.io import SystemIo
from eventlog.segment.store import Block, SegmentStore
from projections.catalog import INLINE, VIEWS_SQL
from replay.against import POSTGRES, SEGMENTS, judge, parts_of, verify_against
from replay.links import Link
from replay.receipt import LogReceipt, read_receipt, take_receipt
from replay.site import open_site
from tests.replay.support import OTHER, SESSION, Spoiled, message

LENGTH = 13  # of `Spoiled.fill`


@asynccontextmanager
async def site_at(spoiled: Spoiled, data: Path | None = None):
    site = open_site(data or spoiled.data, spoiled.postgres, INLINE, [VIEWS_SQL], spoiled.settings)
    try:
        yield site
    finally:
        await site.reads.close()


async def filled(spoiled: Spoiled, marks: int) -> LogReceipt:
    """A closed log of 13 events, and its receipt."""
    await spoiled.fill()
    receipt = await take_receipt(await spoiled.log(), marks)
    await spoiled.close()
    assert receipt.position == LENGTH
    return receipt


@pytest.mark.parametrize("marks", [0, 3, 64])
async def test_a_log_that_went_on_still_proves_its_receipt(spoiled: Spoiled, marks: int):
    """Invariant 4. The receipt is kept as text."""
    receipt = await filled(spoiled, marks)
    await spoiled.append(OTHER, message("later"))
    await spoiled.close()
    async with site_at(spoiled) as site:
        assert await verify_against(site, read_receipt(receipt.to_json())) == []


# Postgres: in a transaction that is rolled back each time.

SWAP = """
UPDATE {schema}.events SET position = CASE position WHEN $1 THEN $2 ELSE $1 END WHERE position IN ($1, $2)"""
CHANGES = {
    "version": "UPDATE {schema}.events SET version = version + 1 WHERE position = $1",
    "type": "UPDATE {schema}.events SET type = type || 'x' WHERE position = $1",
    "schema": "UPDATE {schema}.events SET schema = schema + 1 WHERE position = $1",
    "id": "UPDATE {schema}.events SET id = gen_random_uuid() WHERE position = $1",
    "time": "UPDATE {schema}.events SET time = time + interval '1 microsecond' WHERE position = $1",
    "occurred_at": "UPDATE {schema}.events SET occurred_at = time WHERE position = $1",
    "encoding": "UPDATE {schema}.events SET encoding = 'base64' WHERE position = $1",
    "data": "UPDATE {schema}.events SET data = data || ' '::bytea, compressed = false WHERE position = $1",
    "meta": "UPDATE {schema}.events SET meta = '{\"a\":1}' WHERE position = $1",
    "hash": "UPDATE {schema}.events SET hash = sha256(hash) WHERE position = $1",
    "chain": "UPDATE {schema}.events SET chain = sha256(hash) WHERE position = $1",
    "stream": "UPDATE {schema}.events SET stream_id = (SELECT id FROM {schema}.streams"
    " WHERE id <> stream_id LIMIT 1) WHERE position = $1",
    "deleted": "DELETE FROM {schema}.events WHERE position = $1",
    "moved to 0": "UPDATE {schema}.events SET position = 0 WHERE position = $1",
}


@asynccontextmanager
async def tampering(spoiled: Spoiled) -> AsyncIterator[asyncpg.Connection]:
    """A connection in which history can be changed, as its owner could; nothing of it stays."""
    connection = await asyncpg.connect(**spoiled.postgres)
    try:
        async with rolled_back(connection):
            for statement in (
                "ALTER TABLE {schema}.events DISABLE TRIGGER USER",
                "ALTER TABLE {schema}.events DROP CONSTRAINT events_pkey",
                "ALTER TABLE {schema}.events DROP CONSTRAINT events_stream_id_version_key",
            ):
                await connection.execute(statement.replace("{schema}", spoiled.schema))
            yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def rolled_back(connection: asyncpg.Connection) -> AsyncIterator[None]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("marks", [0, 64])
async def test_every_change_of_every_row_is_found_where_it_is(spoiled: Spoiled, marks: int):
    """Each column of each of 13 rows, each row deleted, and put before the beginning."""
    receipt = await filled(spoiled, marks)
    async with site_at(spoiled) as site, tampering(spoiled) as connection:
        assert await verify_against(site, receipt, connection=connection) == []
        for name, change in CHANGES.items():
            for position in range(1, LENGTH + 1):
                async with rolled_back(connection):
                    await connection.execute(change.replace("{schema}", spoiled.schema), position)
                    found = await verify_against(site, receipt, connection=connection)
                where = {(finding.area, finding.first_position) for finding in found}
                expected = 0 if name == "moved to 0" else position
                assert (POSTGRES, expected) in where, (name, position, found)
                assert {area for area, _ in where} == {POSTGRES}


async def test_every_two_rows_that_change_places_are_found_and_so_is_every_row_put_in(spoiled: Spoiled):
    """Reordered: each pair. Inserted: a copy of each row before each other one, what follows moved on."""
    receipt = await filled(spoiled, 0)
    insert = """
        WITH moved AS (UPDATE {schema}.events SET position = position + 1 WHERE position >= $2)
        INSERT INTO {schema}.events
        SELECT $2, stream_id, version, type, schema, id, time, occurred_at, encoding, compressed,
               data, meta, hash, chain
          FROM {schema}.events WHERE position = $1"""
    async with site_at(spoiled) as site, tampering(spoiled) as connection:
        for change in (SWAP, insert):
            for one in range(1, LENGTH + 1):
                for other in range(1, LENGTH + 1):
                    if (change is SWAP and one >= other) or one == other == LENGTH:
                        continue  # the last one once more comes after the receipt
                    async with rolled_back(connection):
                        await connection.execute(change.replace("{schema}", spoiled.schema), one, other)
                        found = await verify_against(site, receipt, connection=connection)
                    assert found, (one, other)
                    if change is SWAP:
                        assert found[0].first_position == one
                    else:  # a copy of the event right before it, or of itself, begins to differ behind it
                        assert other <= found[0].first_position <= other + 1


# The segments: written anew with CRCs, hashes and chains that all fit.


def events_of(spoiled: Spoiled) -> list[Event]:
    """The events of the segments."""
    found: list[Event] = []
    store = open_segments(spoiled, spoiled.data)
    for block in store.read():
        found += block
    store.close()
    return found


def open_segments(spoiled: Spoiled, data: Path) -> SegmentStore:
    log_id = json.loads((spoiled.data / "agentlog.json").read_text())["log_id"]
    return SegmentStore.open(
        str(data / "segments"), log_id=uuid.UUID(log_id), io=SystemIo(), clock=SystemClock(),
        settings=spoiled.settings,
    )  # fmt: skip


def forged(spoiled: Spoiled, events: Sequence[Event], data: Path) -> None:
    """Write a data directory with these events, one block each, as if it had always been so."""
    shutil.rmtree(data, ignore_errors=True)
    (data / "segments").mkdir(parents=True)
    shutil.copy(spoiled.data / "agentlog.json", data)
    store = open_segments(spoiled, data)
    blocks, chain = [], CHAIN_START
    for position, event in enumerate(events, 1):
        said = unplaced(event)
        line = encode_line(said, position, event.version, event.time)
        behind = chain_hash(chain, position, event.version, time_to_us(event.time), said.hash)
        blocks.append(Block(position, 1, line, chain, behind))
        chain = behind
    store.append(blocks)
    store.sync()
    store.close()


def altered(events: Sequence[Event]) -> Iterator[tuple[str, int, list[Event]]]:
    """Every single change, deletion, insertion and exchange of neighbours: (what, first place, history)."""
    change = msgspec.structs.replace
    for at, event in enumerate(events):
        later = us_to_time(time_to_us(event.time) + 1)
        for name, other in {
            "data": change(event, data=msgspec.Raw(b'{"x":1}')),
            "meta": change(event, meta=msgspec.Raw(b'{"x":1}')),
            "type": change(event, type="forged"),
            "schema": change(event, schema=event.schema + 1),
            "id": change(event, id="0190d5a0-0000-7000-8000-0000000000ff"),
            "time": change(event, time=later),
            "version": change(event, version=event.version + 1),
            "tenant": change(event, tenant=event.tenant + "x"),
            "occurred_at": change(event, occurred_at=later),
        }.items():
            yield name, at + 1, [*events[:at], other, *events[at + 1 :]]
        yield "deleted", at + 1, [*events[:at], *events[at + 1 :]]
        yield "inserted", at + 1, [*events[:at], change(event, data=msgspec.Raw(b"{}")), *events[at:]]
        if at + 1 < len(events):
            yield "moved", at + 1, [*events[:at], events[at + 1], event, *events[at + 2 :]]


async def test_every_forged_history_of_the_segments_is_found_where_it_begins(
    spoiled: Spoiled, tmp_path: Path
):
    """Nothing in the files is wrong by itself: only the receipt and Postgres can tell."""
    receipt = await filled(spoiled, 0)
    place = tmp_path / "forged"
    for name, position, history in altered(events_of(spoiled)):
        forged(spoiled, history, place)
        async with site_at(spoiled, place) as site:
            found = await verify_against(site, receipt)
        assert [(one.area, one.first_position) for one in found] == [(SEGMENTS, position)], (name, found)


def links(events: Sequence[Event]) -> list[Link]:
    """What a copy would say of a history that was forged in all of its hashes and chains."""
    made, chain = [], CHAIN_START
    for position, event in enumerate(events, 1):
        link = Link(position, event.version, time_to_us(event.time), unplaced(event).hash)
        behind = link.follow(chain)
        made.append(link._replace(expected=chain, kept=behind))
        chain = behind
    return made


async def test_a_history_that_was_forged_in_both_copies_alike_is_found_between_two_marks(spoiled: Spoiled):
    """All of it fits but the receipt. With a mark at each position, the place is exact."""
    bare, marked = await filled(spoiled, 0), None
    marked = await take_receipt(await spoiled.log(), 64)
    for name, position, history in altered(events_of(spoiled)):
        for receipt in (bare, marked):
            forgery = links(history)
            found = []
            for part in parts_of(receipt):
                copy = [link for link in forgery if part.after < link.position <= part.until]
                found += judge(part, {POSTGRES: copy, SEGMENTS: copy})
            places = {finding.first_position for finding in found}
            assert found, (name, position)
            assert min(places) <= position
            if receipt is marked:
                assert min(places) == position, (name, position, found)


@pytest.mark.parametrize("kind", list(CHANGES))
async def test_of_a_longer_log_changes_are_found_at_random_places(spoiled: Spoiled, kind: str):
    """Blocks of several events; positions at random, the seed is the kind."""
    log = await spoiled.log()
    for n in range(8):
        events = [message(f"m{n}-{m}", "x" * 50) for m in range(40)]
        streams = [SESSION, OTHER]
        await log.append(
            Command([new(streams[m % 2], e, id=spoiled.ids.next()) for m, e in enumerate(events)])
        )
    receipt = await take_receipt(log, 5)
    await spoiled.close()
    async with site_at(spoiled) as site, tampering(spoiled) as connection:
        assert await verify_against(site, receipt, connection=connection) == []
        for position in random.Random(kind).sample(range(1, 321), 3):
            async with rolled_back(connection):
                await connection.execute(CHANGES[kind].replace("{schema}", spoiled.schema), position)
                found = await verify_against(site, receipt, connection=connection)
            expected = 0 if kind == "moved to 0" else position
            assert expected in {finding.first_position for finding in found}


async def test_a_shorter_log_and_another_log_do_not_prove_it(spoiled: Spoiled):
    """Both are findings and no misuse: a log may have been exchanged."""
    receipt = await filled(spoiled, 0)
    ahead = msgspec.structs.replace(receipt, position=20)
    other = msgspec.structs.replace(receipt, log_id="0190d5a0-0000-7000-8000-0000000000aa")
    async with site_at(spoiled) as site:
        found = await verify_against(site, ahead)
        assert "ends at position 13" in found[0].problem
        assert (found[0].first_position, found[0].last_position) == (14, 20)
        assert "is of log 0190d5a0" in (await verify_against(site, other))[0].problem


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: b"",
        lambda text: b"[]",
        lambda text: text.replace(b'"chain":"', b'"chain":"x'),
        lambda text: text.replace(b'"position":13', b'"position":1'),
        lambda text: text.replace(b'"log_id":"', b'"log_id":"x'),
        lambda text: text[:-1] + b',"more":1}',
    ],
)
async def test_what_is_no_receipt_is_refused(spoiled: Spoiled, spoil: Callable[[bytes], bytes]):
    """A half of one would prove half."""
    receipt = await filled(spoiled, 3)
    with pytest.raises(BadInput, match="receipt"):
        read_receipt(spoil(receipt.to_json()))


async def test_a_receipt_of_an_empty_log_proves_nothing_and_that_holds(spoiled: Spoiled):
    """Whatever came later."""
    receipt = await take_receipt(await spoiled.log())
    assert (receipt.position, receipt.marks) == (0, [])
    await spoiled.fill()
    await spoiled.close()
    async with site_at(spoiled) as site:
        assert await verify_against(site, receipt) == []
