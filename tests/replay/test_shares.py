"""A rebuild by shares and in processes of its own: the same rows, and it goes on where it was killed."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog.envelope import StreamId
from eventlog.errors import BadInput, LogUnavailable
from eventlog.io import SystemIo
from projections.catalog import INLINE
from replay.fold_all import FoldAll
from replay.rebuild import compare, rebuild
from replay.rebuild_done import BELIEVED_S, NAME, Done
from replay.report import RebuildReport
from replay.verify import verify
from tests.replay.support import ITEM, SESSION, Spoiled

EMPTY = [f"DELETE FROM {{schema}}.{projection.name}" for projection in INLINE]


class _Killed(Exception):
    """Stands for whatever ends a rebuild."""


async def fill(spoiled: Spoiled) -> dict[str, list[str]]:
    """Some of every noun; return what the tables hold then."""
    await spoiled.fill()
    await spoiled.append_every_other_noun()
    return await spoiled.tables()


async def test_any_number_of_shares_gives_the_rows_that_one_gives(spoiled: Spoiled):
    """From either copy, from tables that are empty or gone, and where a share has no stream of a kind."""
    live = await fill(spoiled)
    log = await spoiled.log()
    for shares, source in ((2, "segments"), (7, "postgres")):
        await spoiled.sql(*EMPTY, "DROP TABLE {schema}.key_values")
        report = await rebuild(log, source=source, shares=shares)
        assert await spoiled.tables() == live
        assert report.rows == {name: len(rows) for name, rows in live.items()}
        assert report.position == report.events == (await log.head()).position
    assert not (spoiled.data / NAME).exists()
    assert await verify(log, schema_check=False) == []


async def test_a_row_that_belongs_to_no_stream_is_in_one_share(spoiled: Spoiled):
    """Whatever its id: below 0 there is none that Postgres gave."""
    await fill(spoiled)
    for id in (-7, 999):
        await spoiled.sql(
            f"INSERT INTO {{schema}}.generations SELECT {id}, version, first_position, first_time,"
            " last_position, last_time, tenant, 'ghost', 3, 0, NULL FROM {schema}.generations LIMIT 1"
        )
    assert len((await rebuild(await spoiled.log(), shares=3)).differences) == 2
    assert await compare(await spoiled.log()) == []


async def test_processes_of_their_own_give_the_same_rows_and_tell_how_far_they_are(spoiled: Spoiled):
    """What differed comes back from them, to the column; so does the progress of all as of one."""
    live = await fill(spoiled)
    log = await spoiled.log()
    await spoiled.sql("UPDATE {schema}.sessions SET title = 'x'", "DELETE FROM {schema}.queue_items")
    told: list[tuple[str, int, int]] = []
    report = await rebuild(log, jobs=2, progress=lambda *step: told.append(step))
    assert {finding.stream for finding in report.differences} >= {SESSION, ITEM}
    assert await spoiled.tables() == live
    head = (await log.head()).position
    assert [step for step in told if step[0] == "fold"][-1] == ("fold", 2 * head, 2 * head)
    assert (await rebuild(log, jobs=2)).differences == []


async def test_a_rebuild_that_was_killed_goes_on_with_the_shares_that_are_left(spoiled: Spoiled):
    """What it had put right is told in the end with the rest."""
    live = await fill(spoiled)
    log = await spoiled.log()
    await spoiled.sql(*EMPTY)

    def end_at_the_third(what: str, done: int, total: int) -> None:
        if what == "fold" and done > total // 2:
            raise _Killed

    with pytest.raises(_Killed):
        await rebuild(log, shares=4, progress=end_at_the_third)
    kept = msgspec.json.decode((spoiled.data / NAME).read_bytes())
    assert kept["of"] == 4
    assert len(kept["reports"]) == 2
    assert await spoiled.tables() != live

    steps: list[int] = []
    report = await rebuild(
        log, progress=lambda what, done, total: steps.append(total) if what == "fold" else None
    )
    assert max(steps) == 2 * (await log.head()).position
    assert await spoiled.tables() == live
    assert len(report.differences) == sum(map(len, live.values()))
    assert not (spoiled.data / NAME).exists()


@pytest.mark.parametrize("spoil", ["old", "other", "garbage"])
async def test_what_a_killed_rebuild_left_is_not_believed_for_ever(spoiled: Spoiled, spoil: str):
    """Nor for other tables, nor when it does not read: then all is compared again."""
    live = await fill(spoiled)
    log = await spoiled.log()
    path = spoiled.data / NAME
    folds = "sessions:1" if spoil == "other" else ",".join(sorted(f"{p.name}:{p.version}" for p in INLINE))
    began_us = log.clock.now_us() - (BELIEVED_S * 1_000_000 if spoil == "old" else 0)
    report = {"events": 1, "seconds": 1, "position": 1, "rows": {}, "differences": []}
    file: dict[str, Any] = {
        "log_id": str(log.directory.log_id),
        "folds": folds,
        "of": 1,
        "began_us": began_us,
    }
    file["reports"] = {"0": report}
    path.write_bytes(b"{" if spoil == "garbage" else msgspec.json.encode(file))
    await spoiled.sql(*EMPTY)
    await rebuild(log)
    assert await spoiled.tables() == live
    assert not path.exists()


async def test_a_process_that_is_killed_is_told_and_changes_nothing_of_its_share(spoiled: Spoiled):
    """The next rebuild finds all of it to do."""
    live = await fill(spoiled)
    log = await spoiled.log()
    await spoiled.sql(*EMPTY)

    def kill(what: str, done: int, total: int) -> None:
        for id in children():
            os.kill(id, signal.SIGKILL)

    with pytest.raises(LogUnavailable, match="was killed"):
        await rebuild(log, jobs=1, progress=kill)
    await rebuild(log, jobs=1)
    assert await spoiled.tables() == live


def children() -> list[int]:
    """The processes that rebuild for this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue  # it has ended meanwhile
        if parent == os.getpid() and b"replay.rebuild_process" in command:
            found.append(int(path.name))
    return found


async def test_what_cannot_be_done_is_refused_by_name(spoiled: Spoiled):
    """Before anything is read."""
    log = await spoiled.log()
    for wrong in ({"jobs": 0}, {"jobs": 65}, {"shares": 0}, {"jobs": 3, "shares": 2}):
        with pytest.raises(BadInput, match="must be"):
            await rebuild(log, **wrong)


async def test_a_closed_fold_keeps_nothing_of_other_streams(spoiled: Spoiled):
    """That is what bounds the memory of a share."""
    await spoiled.fill()
    whole, closed = FoldAll(INLINE), FoldAll(INLINE, closed=True)
    closed.begin(SESSION)
    async for block in (await spoiled.log()).read():
        whole.add(block)
        closed.add(block)
    assert set(closed.streams) == {SESSION}
    assert closed.position == whole.position
    for projection in INLINE:
        if projection.kind == "session":
            rows = [list(fold.rows_json(projection, [(1, SESSION)])) for fold in (closed, whole)]
            assert rows[0] == rows[1]
    assert StreamId("acme", "queue_item", "q1") in whole.streams


async def test_shares_that_end_at_once_are_noted_one_after_the_other(spoiled: Spoiled):
    """Each writes the whole file: of two at once, one would find its file renamed by the other."""
    log = await spoiled.log()
    io = Meeting()
    done = Done(log, log.projections, 2, io)
    report = RebuildReport(events=0, seconds=0.0, position=0, rows={}, differences=[], gate_seconds=0.0)
    await asyncio.gather(*(done.note(share, report) for share in done.left()))
    assert not io.met
    assert list(Done(log, log.projections, 2).left()) == []
    await done.finish()
    await done.finish()  # as another process may have done


class Meeting(SystemIo):
    """Files of a rebuild, each held up while another one could begin."""

    def __init__(self) -> None:
        self._begun = threading.Semaphore(0)
        self.met = False

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        if flags & os.O_CREAT:
            self._begun.release()
        return super().open(path, flags, mode)

    def fdatasync(self, fd: int) -> None:
        self._begun.acquire()
        # Nobody else begins in that time: the other one waits for this one.
        self.met |= self._begun.acquire(timeout=0.2)
        super().fdatasync(fd)
