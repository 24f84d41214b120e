"""Everything out as JSON lines, and in again: an equal chain, or merged by ids; a store as of a position."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from eventlog.errors import BadInput, Damaged
from eventlog.settings import Settings
from replay.export import EVENTS_FILE, MANIFEST_FILE, export_log
from replay.export_read import check_export, read_manifest
from replay.import_log import import_empty, merge
from replay.moment import find_moment
from replay.receipt import take_receipt
from replay.verify import verify
from tests.replay.support import SESSION, Spoiled, message
from tests.support.postgres import fresh_schema


async def exported(spoiled: Spoiled, place: Path, position: int | None = None, tenant: str | None = None):
    log = await spoiled.log()
    return await export_log(log, place, await find_moment(log, position), tenant=tenant)


@pytest.fixture
async def other(postgres_server, tmp_path: Path):
    """Another place for a log."""
    place = Spoiled(tmp_path / "other", postgres_server.connection, fresh_schema())
    yield place
    await place.close()


async def lines(spoiled: Spoiled) -> list[tuple]:
    """The events of a log, as far as they are the same in another one."""
    found = []
    async for block in (await spoiled.log()).read():
        found += [
            (e.stream_id, e.version, e.type, e.id, bytes(e.data), e.occurred_at or e.time) for e in block
        ]
    return found


@pytest.mark.parametrize("position", [None, 7])
async def test_an_export_makes_a_store_with_an_equal_chain(
    spoiled: Spoiled, other: Spoiled, tmp_path: Path, position: int | None
):
    """Whole, or as of a position: times, versions, projections, and it goes on from there."""
    await spoiled.fill()
    await spoiled.append(SESSION, message("keyed"), idempotency_key="once")
    manifest = await exported(spoiled, tmp_path / "out", position)
    assert manifest.events == manifest.position == (position or 14)
    await import_empty(tmp_path / "out", other.data, other.postgres, settings=other.settings)
    log, head = await other.log(), await (await other.log()).head()
    assert (head.position, head.chain.hex(), head.time) == (manifest.position, manifest.chain, manifest.time)
    assert str(log.directory.log_id) == manifest.log_id
    assert await lines(other) == (await lines(spoiled))[: manifest.position]
    assert await verify(log) == []
    await other.append(SESSION, message("after"))
    assert await verify(log) == []
    if position is None:
        receipt = await take_receipt(await spoiled.log(), 3)
        assert receipt.log_id == manifest.log_id


async def test_a_store_of_its_own_is_another_log(spoiled: Spoiled, other: Spoiled, tmp_path: Path):
    """So that nobody takes one for the other once they have gone different ways."""
    await spoiled.fill()
    manifest = await exported(spoiled, tmp_path / "out")
    await import_empty(tmp_path / "out", other.data, other.postgres, settings=other.settings, own_id=True)
    assert str((await other.log()).directory.log_id) != manifest.log_id
    assert await verify(await other.log()) == []


async def test_merging_adds_what_is_not_there_and_again_adds_nothing(
    spoiled: Spoiled, other: Spoiled, tmp_path: Path
):
    """By the ids of events, into a log with events of its own, before and after."""
    await spoiled.fill()
    await other.append(SESSION, message("own"))
    await exported(spoiled, tmp_path / "half", 7)
    await exported(spoiled, tmp_path / "whole")
    log = await other.log()
    first = await merge(log, tmp_path / "half")
    assert (first.events_new, first.events_present) == (7, 0)
    await other.append(SESSION, message("between"))
    second = await merge(log, tmp_path / "whole")
    assert (second.events_new, second.events_present) == (6, 7)
    again = await merge(log, tmp_path / "whole")
    assert (again.events_new, again.events_present) == (0, 13)
    ids = [line[3] for line in await lines(other)]
    assert len(set(ids)) == len(ids) == 15
    assert await verify(log) == []


async def test_a_merge_that_was_cut_off_goes_on(spoiled: Spoiled, other: Spoiled, tmp_path: Path):
    """Each command is all or nothing, and what is there is left out."""
    for n in range(5):
        await spoiled.append(SESSION, *[message(f"m{n}-{m}") for m in range(20)])
    await exported(spoiled, tmp_path / "out")

    def cut(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await merge(await other.log(), tmp_path / "out", progress=cut)
    report = await merge(await other.log(), tmp_path / "out")
    assert 0 < report.events_present < 100
    assert report.events_new + report.events_present == 100
    assert [line[:5] for line in await lines(other)] == [line[:5] for line in await lines(spoiled)]


async def test_a_tenant_is_exported_alone_and_can_only_be_merged(
    spoiled: Spoiled, other: Spoiled, tmp_path: Path
):
    """Its positions have gaps, so no log begins with it."""
    await spoiled.fill()
    await spoiled.append(SESSION._replace(tenant="globex"), message("theirs"))
    manifest = await exported(spoiled, tmp_path / "out", tenant="globex")
    assert (manifest.events, manifest.position) == (1, 14)
    with pytest.raises(BadInput, match="merge it"):
        await import_empty(tmp_path / "out", other.data, other.postgres, settings=other.settings)
    assert not other.data.exists()
    assert (await merge(await other.log(), tmp_path / "out", tenant="acme")).events_new == 0
    assert (await merge(await other.log(), tmp_path / "out")).events_new == 1


@pytest.mark.parametrize("change", ["flip", "drop", "swap", "append", "cut", "manifest", "none", "format"])
async def test_an_export_that_is_not_what_was_written_is_refused_and_changes_nothing(
    spoiled: Spoiled, other: Spoiled, tmp_path: Path, change: str
):
    """Whatever became of it."""
    await spoiled.fill()
    await exported(spoiled, tmp_path / "out")
    path, manifest = tmp_path / "out" / EVENTS_FILE, tmp_path / "out" / MANIFEST_FILE
    written = path.read_bytes().splitlines(keepends=True)
    changed = {
        "flip": [*written[:5], written[5].replace(b"session", b"seSsion"), *written[6:]],
        "drop": written[:5] + written[6:],
        "swap": [written[1], written[0], *written[2:]],
        "append": [*written, written[-1]],
        "cut": [*written[:-1], written[-1][:20]],
    }
    if change in changed:
        path.write_bytes(b"".join(changed[change]))
    elif change == "none":
        manifest.unlink()
    else:
        said = json.loads(manifest.read_text())
        said |= {"chain": "00" * 32} if change == "manifest" else {"format": 2}
        manifest.write_text(json.dumps(said))
    for act in (
        import_empty(tmp_path / "out", other.data, other.postgres, settings=other.settings),
        merge(await other.log(), tmp_path / "out"),
    ):
        with pytest.raises((Damaged, BadInput)):
            await act
    assert (await (await other.log()).head()).position == 0
    assert other.segments() == [] or (await other.log()).segments.head_position == 0


async def test_nothing_that_exists_is_written_over(spoiled: Spoiled, other: Spoiled, tmp_path: Path):
    """An export into a directory with a file; an import into a store with an event."""
    await spoiled.fill()
    await exported(spoiled, tmp_path / "out")
    with pytest.raises(BadInput, match="holds something"):
        await exported(spoiled, tmp_path / "out")
    await other.append(SESSION, message("own"))
    await other.close()
    with pytest.raises(BadInput, match="position 1"):
        await import_empty(tmp_path / "out", tmp_path / "new", other.postgres, settings=other.settings)
    with pytest.raises(BadInput, match="holds segments"):
        await import_empty(
            tmp_path / "out", other.data, other.postgres, settings=Settings(schema=fresh_schema())
        )
    assert read_manifest(tmp_path / "out").events == 13


@pytest.mark.parametrize("at", ["lines", "names"])
async def test_an_export_that_was_cut_off_is_made_anew_in_its_place(
    spoiled: Spoiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
):
    """Whatever a kill left there; what is somebody's own stays, and so does what another export writes."""
    await spoiled.fill()
    place = tmp_path / "out"

    def cut(*_: object) -> None:
        raise CutOff

    def renamed(old: Path, new: Path, rename: Callable[..., None] = os.replace) -> None:
        cut() if new.name == MANIFEST_FILE else rename(old, new)

    with monkeypatch.context() as patched:
        if at == "lines":
            patched.setattr("replay.export._Writer.sync", cut)
        else:
            patched.setattr("replay.export.os.replace", renamed)
        with pytest.raises(CutOff):
            await exported(spoiled, place)
    assert list(place.iterdir())
    lock = os.open(place, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(BadInput, match="another export"):
        await exported(spoiled, place)
    os.close(lock)
    (place / "mine").write_text("own")
    with pytest.raises(BadInput, match="holds something"):
        await exported(spoiled, place)
    (place / "mine").unlink()
    assert (await exported(spoiled, place)).events == 13
    assert sorted(path.name for path in place.iterdir()) == [EVENTS_FILE, MANIFEST_FILE]
    check_export(place, read_manifest(place))


async def test_lines_without_a_manifest_are_not_taken_for_remains(spoiled: Spoiled, tmp_path: Path):
    """Somebody may have moved the manifest away."""
    await spoiled.fill()
    await exported(spoiled, tmp_path / "out")
    (tmp_path / "out" / MANIFEST_FILE).unlink()
    with pytest.raises(BadInput, match="holds something"):
        await exported(spoiled, tmp_path / "out")


class CutOff(Exception):
    """Stands for whatever ends an export or an import."""


async def test_a_log_that_does_not_give_its_chain_is_not_exported(spoiled: Spoiled, tmp_path: Path):
    """Without a manifest nobody takes what was written for an export."""
    await spoiled.fill()
    await spoiled.behind_the_guards("UPDATE {schema}.events SET chain = sha256(chain) WHERE position = 13")
    with pytest.raises(Damaged, match="do not give the chain"):
        await exported(spoiled, tmp_path / "out")
    assert not (tmp_path / "out" / MANIFEST_FILE).exists()


FORGED = {
    "type for a terminal": (b'"type":"', b'"type":"\\u001b[31m'),
    "type for nobody": (b'"type":"', b'"type":"' + b"x" * 64),
    "id that is none": (rb'"id":"[^"]+"', b'"id":"7"'),
    "id in capitals": (rb'"id":"[^"]+"', b'"id":"01A22566-B2AC-7001-8C80-DEAA4AFF74D8"'),
    "kind": (b'"kind":"session"', b'"kind":"../etc"'),
    "key with NUL": (b'"key":"a"', b'"key":"a\\u0000"'),
    "key without end": (b'"key":"a"', b'"key":"' + b"k" * 2_000 + b'"'),
    "tenant": (b'"tenant":"acme"', b'"tenant":"\\u0000"'),
    "version": (b'"version":3', b'"version":77'),
    "schema": (b'"schema":1', b'"schema":99999'),
    "encoding": (b'"data":', b'"encoding":"zip","data":'),
    "data": (b"m1", b"\xff"),
    "time of before": (rb'"time":"[^"]+"', b'"time":"2001-01-01T00:00:00.000000Z"'),
    "own time": (b'"data":', b'"occurred_at":"x","data":'),
    "spaces": (b'"version":', b' "version": '),
    "another field": (b'"data":', b'"evil":1,"data":'),
    "a line of nothing": (b'^', b"\n"),
    "depth": (b'"meta":', b'"meta":' + b'{"a":' * 5_000),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGED)
async def test_an_export_that_somebody_wrote_by_hand_changes_nothing(
    spoiled: Spoiled, other: Spoiled, tmp_path: Path, forgery: str
):
    """Its hash and its manifest are right, and the line is one that no log wrote."""
    await spoiled.fill()
    await exported(spoiled, tmp_path / "out")
    path, manifest = tmp_path / "out" / EVENTS_FILE, tmp_path / "out" / MANIFEST_FILE
    written = path.read_bytes().splitlines(keepends=True)
    forged, times = re.subn(FORGED[forgery][0], lambda _: FORGED[forgery][1], written[2], count=1)
    assert times == 1
    text = b"".join([*written[:2], forged, *written[3:]])
    path.write_bytes(text)
    said = json.loads(manifest.read_text())
    said |= {"sha256": sha256(text).hexdigest(), "bytes": len(text), "events": text.count(b"\n")}
    manifest.write_text(json.dumps(said))
    with pytest.raises(Damaged, match="is no event"):
        await import_empty(tmp_path / "out", other.data, other.postgres, settings=other.settings)
    assert other.segments() == []
    with pytest.raises(Damaged, match="is no event"):
        await merge(await other.log(), tmp_path / "out")
    assert (await (await other.log()).head()).position == 0


@pytest.mark.parametrize("name", [EVENTS_FILE, MANIFEST_FILE])
async def test_a_pipe_is_no_export(spoiled: Spoiled, other: Spoiled, tmp_path: Path, name: str):
    """Whoever reads one waits for a writer who may never come."""
    await spoiled.fill()
    await exported(spoiled, tmp_path / "out")
    (tmp_path / "out" / name).unlink()
    os.mkfifo(tmp_path / "out" / name)
    with pytest.raises(BadInput, match="no file"):
        await merge(await other.log(), tmp_path / "out")


@pytest.mark.parametrize("where", ["segments", "restore"])
async def test_an_import_that_was_cut_off_leaves_no_part_of_a_log_and_goes_on(
    spoiled: Spoiled, other: Spoiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
):
    """Half of a log in the place of one would be restored to Postgres, and believed."""
    monkeypatch.setattr("replay.import_log.BLOCKS_AT_ONCE", 1)
    await spoiled.append(SESSION, *[message(f"m{n}") for n in range(130)])
    manifest = await exported(spoiled, tmp_path / "out")

    def cut(what: str, done: int, total: int) -> None:
        if what == where:
            raise CutOff

    with pytest.raises(CutOff):
        await import_empty(
            tmp_path / "out", other.data, other.postgres, settings=other.settings, progress=cut
        )
    whole = (other.data / "segments").exists()
    assert whole == (where == "restore")
    await import_empty(tmp_path / "out", other.data, other.postgres, settings=other.settings)
    log = await other.log()
    assert (await log.head()).chain.hex() == manifest.chain
    assert await verify(log) == []
    assert not (other.data / "segments.unfinished").exists()
