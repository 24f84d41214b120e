"""The file of schedules: equal to the log, edited by people, and never overwritten unread."""

from __future__ import annotations

import asyncio
import errno
import json

import pytest

from agentlog.errors import BadInput, Refused
from agentlog.schedule_definition import Definition
from agentlog.schedule_file import ScheduleFile
from agentlog.schedule_text import Standing, decide_import, parse, render
from tests.support.failing_io import FailingIo


@pytest.fixture
def path(tmp_path):
    return tmp_path / "schedules.json5"


async def position(store):
    return (await store.log.head()).position


def test_a_text_comes_back_as_it_was_written():
    """Whatever a body holds; what stands at its default is left out."""
    definitions = {
        "a:b": Definition(
            cron="@daily", body={"text": "a\x00\ud800😀\u2028", "n": 12345678901234567890, "x": 0.1}
        ),
        'q"': Definition(cron="0 3 * * *", time_zone="Europe/Berlin", late_s=5.0, paused=True, priority=-1),
    }
    text = render(definitions, 7)
    found = parse(text)
    assert (found.position, found.schedules) == (7, definitions)
    assert text.startswith("// The schedules")
    assert "overlap" not in text
    assert parse("{schedules: {a: {cron: '@daily', late_s: 5, /* why */ body: [1, 'x',], }}}").schedules == {
        "a": Definition(cron="@daily", late_s=5.0, body=[1, "x"])
    }
    assert parse('{schedules: {a: {cron: "@daily", body: "\\ud83d\\ude00"}}}').schedules["a"].body == "😀"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{\n schedules: {\n  a: {cron '@daily'}}}", "line 3"),
        ("", "not JSON5"),
        ("[]", "must be an object"),
        ("{schedules: []}", "`schedules` must be an object"),
        ("{position: -1}", "position -1"),
        ("{jobs: {}}", "a field 'jobs'"),
        ("{schedules: {a: {cron: '@daily'}, a: {cron: '@daily'}}}", "[Dd]uplicate"),
        ("{schedules: {a: 5}}", "schedule 'a' must be an object"),
        ("{schedules: {a: {}}}", "schedule 'a': .*cron"),
        ("{schedules: {a: {cron: '@daily', when: 1}}}", "schedule 'a' has a field 'when'"),
        ("{schedules: {a: {cron: '@never'}}}", "schedule 'a': .*'@never'"),
        ("{schedules: {a: {cron: '@daily', priority: 'high'}}}", "schedule 'a': .*priority"),
        ("{schedules: {a: {cron: '@daily', late_s: true}}}", "schedule 'a': .*late_s"),
        ("{schedules: {a: {cron: '@daily', time_zone: 'Mars'}}}", "schedule 'a': .*Mars"),
        ("{schedules: {a: {cron: '@daily', overlap: 'no'}}}", "schedule 'a': overlap 'no'"),
        ("{schedules: " + "[" * 5000, "nested too deeply"),
    ],
)
def test_a_text_that_says_nothing_is_refused_by_its_place(text, said):
    """The line where JSON5 can name it, the schedule and the field otherwise."""
    with pytest.raises(BadInput, match=said):
        parse(text)


def test_a_body_that_is_no_json_is_refused():
    """JSON5 has NaN, and a log has not."""
    with pytest.raises(BadInput, match=r"schedule 'a': .*nan"):
        parse("{schedules: {a: {cron: '@daily', body: NaN}}}")


def test_a_text_deletes_only_what_it_knew():
    """And sets nothing over what changed after it was written."""
    daily, hourly = Definition(cron="@daily"), Definition(cron="@hourly")
    text = parse(render({"same": daily, "edited": hourly, "new": daily}, 10))
    standing = {
        "same": Standing(daily, 99), "edited": Standing(daily, 9), "missing": Standing(daily, 10),
        "later": Standing(daily, 11), "deleted": Standing(None, 5),
    }  # fmt: skip
    assert decide_import(text, standing) == ({"edited": hourly, "new": daily}, ["missing"])
    for stale in ({"edited": Standing(daily, 11)}, {"new": Standing(None, 11)}):
        with pytest.raises(Refused, match=r"knows position 10, and changed later were: '(edited|new)'"):
            decide_import(text, standing | stale)
    bare = parse("{schedules: {fresh: {cron: '@daily'}}}")
    assert decide_import(bare, standing) == ({"fresh": daily}, [])
    with pytest.raises(Refused, match="does not say what it knows"):
        decide_import(parse("{schedules: {edited: {cron: '@hourly'}}}"), standing)


async def test_the_file_is_written_on_each_change(store, path):
    """Put, pause, delete, replace: it says what stands. A tick changes nothing of it."""
    file = await store.schedule.keep_file(path)
    assert parse(path.read_text()).schedules == {}
    await store.schedule.set("a", "* * * * *", {"x": 1})
    await store.schedule.pause("a")
    assert parse(path.read_text()).schedules == {
        "a": Definition(cron="* * * * *", body={"x": 1}, paused=True)
    }
    await store.schedule.trigger("a")
    assert not (await file.sync()).written
    await store.schedule.replace({"b": Definition(cron="@daily")})
    assert parse(path.read_text()).schedules == {"b": Definition(cron="@daily")}
    await store.schedule.change({"c": Definition(cron="@weekly")}, ["b"])
    assert parse(path.read_text()).schedules == {"c": Definition(cron="@weekly")}
    await store.schedule.delete("c")
    assert parse(path.read_text()).schedules == {}
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_hand_edit_is_taken_over_whole(store, path):
    """Changed, added and removed in one command; the file then knows the position of it."""
    for id in ("changed", "removed", "same"):
        await store.schedule.set(id, "@daily", id)
    file = await store.schedule.keep_file(path)
    known = parse(path.read_text())
    edited = {
        "changed": Definition(cron="0 4 * * *", body="changed"), "added": Definition(cron="@hourly"),
        "same": known.schedules["same"],
    }  # fmt: skip
    path.write_text(render(edited, known.position))
    before = await position(store)
    done = await file.sync()
    assert (done.changed, done.deleted, done.written) == (2, 1, True)
    assert await position(store) == before + 4
    assert [one.id for one in await store.schedule.list()] == ["added", "changed", "same"]
    assert parse(path.read_text()).position == before + 4
    assert not (await file.sync()).written
    path.unlink()
    assert (await file.sync()).written  # without a file nothing is deleted: it is written again


async def test_a_bad_edit_changes_nothing_and_stays_where_it_is(store, path, caplog):
    """Neither the schedules nor the file: who wrote it can mend it."""
    await store.schedule.set("a", "@daily", 1)
    file = await store.schedule.keep_file(path)
    good = path.read_text()
    path.write_text(good.replace("@daily", "@dayly"))
    bad = path.read_text()
    before = await position(store)
    with pytest.raises(BadInput, match=r"schedule 'a': .*@dayly"):
        await file.sync()
    assert file.error is not None
    assert (await position(store), path.read_text()) == (before, bad)
    # A change meanwhile is made; that the file does not follow is logged.
    await store.schedule.set("b", "@daily", 1)
    assert path.read_text() == bad
    assert "was not written" in caplog.text
    path.write_bytes(b"\xff")
    with pytest.raises(BadInput, match="not UTF-8"):
        await file.sync()
    path.write_text(good)
    assert (await file.sync()).written
    assert file.error is None
    assert set(parse(path.read_text()).schedules) == {"a", "b"}


async def test_an_edit_of_what_changed_meanwhile_is_refused_s2_let_the_last_writer_win(
    open_store, store, path
):
    """S2 had three writers, and a job that was just disabled came back. Here the editor hears of it."""
    await store.schedule.set("a", "@daily", 1)
    file = await store.schedule.keep_file(path)
    opened_in_an_editor = path.read_text()
    async with open_store("other") as other:
        await other.schedule.pause("a")
    path.write_text(opened_in_an_editor.replace("@daily", "@hourly"))
    with pytest.raises(Refused, match="'a'"):
        await file.sync()
    one = await store.schedule.get("a")
    assert (one.paused, one.cron) == (True, "@daily")


async def test_what_another_host_changed_is_written_here(open_store, store, path):
    """When the file is looked at next; its edits are taken over there as well."""
    file = await store.schedule.keep_file(path)
    async with open_store("other") as other:
        await other.schedule.set("theirs", "@daily", 1)
        assert (await file.sync()).written
        path.write_text(path.read_text().replace("@daily", "@weekly"))
        await file.sync()
        assert (await other.schedule.get("theirs")).cron == "@weekly"


async def test_a_watched_file_is_taken_over_and_what_is_wrong_is_said_once(store, path, caplog):
    """Until the watching is cancelled."""
    file = await store.schedule.keep_file(path)
    with pytest.raises(BadInput, match="interval_s 0"):
        await file.watch(interval_s=0)
    watching = asyncio.create_task(file.watch(interval_s=0.01))
    try:
        path.write_text("{")
        async with asyncio.timeout(60):
            while file.error is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        path.write_text(json.dumps({"schedules": {"a": {"cron": "@daily"}}}))
        async for event in store.log.subscribe(after=0):
            assert event.stream.key in ("a", "schedules")
            break
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert caplog.text.count("was not taken over") == 1


async def test_a_disk_that_fails_leaves_the_file_as_it_was(store, path):
    """It is written beside and renamed: there is the old text or the new one, never a part of one."""
    await store.schedule.sync_file(path)
    before = path.read_text()
    io = FailingIo()
    broken = ScheduleFile(store.schedule, path, "", io)
    await store.schedule.change({"a": Definition(cron="@daily")})
    io.failures["fdatasync"] = errno.EIO
    with pytest.raises(OSError, match="Input/output error"):
        await broken.sync()
    assert path.read_text() == before
    io.failures.clear()
    assert (await broken.sync()).written
