"""Tasks, provider jobs and schedules of an rsclaw dump: each field, and again after a change."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import agentlog
from agentlog.errors import BadInput
from replay.imports.rsclaw_cron import interval
from tests.support.rsclaw_dump import Dump

T0 = 1_700_000_000
SOON = 4_000_000_000


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def said(text: str) -> dict[str, Any]:
    """A queued message, as rsclaw-types has it."""
    return {
        "text": text, "sender": "u1", "channel": "telegram", "account": None, "chat_id": "c1",
        "is_group": False, "reply_to": None, "timestamp": T0, "images": [], "files": [],
    }  # fmt: skip


TASK = {
    "id": "t1", "session_key": "agent:main", "messages": [said("one")], "priority": "Cron",
    "status": "Pending", "retries": 0, "max_retries": 3, "turns": 0, "max_turns": 5, "created_at": T0,
    "updated_at": T0 + 60, "ttl_secs": 0, "content_hash": "abc", "error": None, "notified": False,
    "last_reply": None,
}  # fmt: skip
JOB = {
    "id": "j1", "session_key": "agent:main", "origin": "Agent", "provider": "kling", "kind": "VideoGen",
    "delivery": {"channel": "telegram", "target_id": "c1", "is_group": False, "reply_to": None},
    "external_task_id": "ext-7", "prompt": "a cat", "submitted_at": T0, "next_poll_at": SOON,
    "poll_count": 2, "timeout_at": SOON + 600, "status": "Pending", "error": None, "result_url": None,
    "result_path": None, "delivered_at": None, "delivery_attempts": 0,
}  # fmt: skip
CRON = {
    "id": "c1", "name": "nightly", "agentId": "main", "sessionKey": "agent:main", "enabled": True,
    "schedule": {"kind": "cron", "expr": "30 3 * * *", "tz": "Europe/Berlin"},
    "payload": {"kind": "agentTurn", "message": "tidy up", "timeoutSeconds": 1800},
    "delivery": {"channel": "telegram"}, "state": {"lastRunAtMs": T0 * 1000, "consecutiveErrors": 1},
    "createdAtMs": T0 * 1000, "updatedAtMs": T0 * 1000 + 5,
}  # fmt: skip


@pytest.fixture
def dump(tmp_path: Path) -> Dump:
    return Dump(tmp_path / "dump.jsonl")


async def imported(store: agentlog.Store, dump: Dump, table: str, row: dict[str, Any]) -> int:
    """Import one row; return how many events it became."""
    dump.rows.clear()
    summary = await store.import_rsclaw(dump.row(table, row["id"], json.dumps(row)).write())
    assert [rejected.reason for rejected in summary.rejected] == []
    return summary.events_new


async def kept(store: agentlog.Store, kind: str, key: str) -> Any:
    """The newest record that the log keeps verbatim of a row."""
    events = await store.log.read_stream(agentlog.StreamId("", kind, key))
    return [event.value["record"] for event in events if event.type == "record_kept"][-1]


async def test_every_field_of_a_task_comes_over(store: agentlog.Store, dump: Dump):
    changed = TASK | {
        "messages": [said("one"), said("two")], "retries": 1, "turns": 4, "last_reply": "so far",
        "ttl_secs": 60, "error": "no answer", "status": "Failed",
    }  # fmt: skip
    await imported(store, dump, "task_queue", changed)
    task = await store.tasks.get("t1")
    assert task is not None
    assert (task.session, task.messages) == ("agent:main", (said("one"), said("two")))
    assert (task.priority, task.retries, task.retries_max, task.merged) == (-1, 1, 2, 1)
    assert (task.turn, task.reply, task.reason) == (4, "so far", "no answer")
    assert (task.expires_at, task.run_at) == (moment(T0 + 60), moment(T0 + 60))
    assert (task.status, task.notified) == ("pending", False)
    record = await kept(store, "task", "t1")
    assert record == {name: value for name, value in changed.items() if name != "messages"}
    assert await store.verify() == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("pending", 0, 0, False)),
        ({"status": "Running"}, ("pending", 0, 1, False)),  # whoever ran it is gone
        ({"status": "Done", "notified": True}, ("completed", 0, 1, True)),
        ({"status": "Failed", "retries": 2}, ("pending", 2, 2, False)),
        ({"status": "Dead", "retries": 3}, ("dead", 2, 3, False)),
        ({"ttl_secs": 2**63}, ("pending", 0, 0, False)),
    ],
)
async def test_a_task_stands_where_it_stood(
    store: agentlog.Store, dump: Dump, changed: dict[str, Any], expected: tuple[Any, ...]
):
    await imported(store, dump, "task_queue", TASK | changed)
    task = await store.tasks.get("t1")
    assert task is not None
    assert (task.status, task.retries, task.attempts, task.notified) == expected
    claimed = await store.tasks.claim("worker")
    assert [one.id for one in claimed] == (["t1"] if expected[0] == "pending" else [])


async def test_a_system_task_goes_before_one_of_a_user(store: agentlog.Store, dump: Dump):
    """There the lowest number goes first, here the highest."""
    for id, priority in (("user", "User"), ("system", "System"), ("cron", "Cron")):
        dump.row("task_queue", id, json.dumps(TASK | {"id": id, "priority": priority}))
    await store.import_rsclaw(dump.write())
    assert [task.id for task in await store.tasks.claim("w", limit=3)] == ["system", "cron", "user"]


async def test_a_task_that_went_on_is_told_further(store: agentlog.Store, dump: Dump):
    """What both dumps say is the same fact: neither its messages nor its failures come twice."""
    await imported(store, dump, "task_queue", TASK | {"status": "Failed", "retries": 1, "error": "a"})
    assert (
        await imported(store, dump, "task_queue", TASK | {"status": "Failed", "retries": 1, "error": "a"})
        == 0
    )
    later = {"retries": 2, "error": "b", "updated_at": T0 + 90, "messages": [said("one"), said("more")]}
    await imported(store, dump, "task_queue", TASK | later | {"status": "Failed"})
    task = await store.tasks.get("t1")
    assert task is not None
    assert (task.retries, task.attempts, task.reason, len(task.messages)) == (2, 2, "b", 2)
    await imported(store, dump, "task_queue", TASK | later | {"status": "Done", "updated_at": T0 + 99})
    task = await store.tasks.get("t1")
    assert task is not None
    assert (task.status, task.retries, task.attempts) == ("completed", 2, 3)


@pytest.mark.parametrize(
    ("changed", "status", "delivery", "reason", "again"),
    [
        ({}, "pending", "none", None, True),
        ({"status": "Polling", "error": "busy"}, "pending", "none", "busy", True),
        ({"status": "Done", "result_url": "u", "result_path": "p"}, "completed", "waiting", None, False),
        ({"status": "Failed", "error": "no", "delivered_at": T0 + 9}, "failed", "delivered", "no", False),
        (
            {"status": "TimedOut", "delivery_attempts": 2, "error": "sink"},
            "timed_out",
            "waiting",
            "sink",
            True,
        ),
        ({"status": "Done", "delivery_attempts": 60}, "completed", "given_up", None, False),
    ],
)
async def test_every_field_of_a_provider_job_comes_over(
    store: agentlog.Store,
    dump: Dump,
    changed: dict[str, Any],
    status: str,
    delivery: str,
    reason: str | None,
    again: bool,  # at its own time; otherwise at once, or never
):
    await imported(store, dump, "external_jobs", JOB | changed)
    job = await store.external.get("j1")
    assert job is not None
    assert (job.status, job.delivery, job.reason) == (status, delivery, reason)
    assert (job.provider, job.session, job.external_id) == ("kling", "agent:main", "ext-7")
    assert job.timeout_at == moment(SOON + 600)
    assert (job.act_at == moment(SOON)) == again
    assert (job.request["prompt"], job.request["delivery"]["target_id"]) == ("a cat", "c1")
    if changed.get("result_url"):
        assert job.result == {"url": "u", "path": "p"}
    assert await kept(store, "external_job", "j1") == JOB | changed
    assert await imported(store, dump, "external_jobs", JOB | changed) == 0


async def test_a_provider_job_that_ended_between_two_dumps_is_not_asked_again(
    store: agentlog.Store, dump: Dump
):
    """The dump says all of it anew each time; what it said before is not said twice."""
    done = {"status": "Done", "result_url": "u", "next_poll_at": SOON + 5, "poll_count": 9}
    await imported(store, dump, "external_jobs", JOB)
    await imported(store, dump, "external_jobs", JOB | done)
    await imported(store, dump, "external_jobs", JOB | done | {"delivered_at": T0 + 99})
    job = await store.external.get("j1")
    assert job is not None
    assert (job.status, job.delivery) == ("completed", "delivered")


async def test_every_field_of_a_cron_job_comes_over(store: agentlog.Store, dump: Dump):
    await imported(store, dump, "cron_jobs", CRON)
    schedule = await store.schedule.get("c1")
    assert schedule is not None
    assert (schedule.cron, schedule.time_zone, schedule.paused) == ("30 3 * * *", "Europe/Berlin", False)
    assert (schedule.session, schedule.description) == ("agent:main", "nightly")
    assert schedule.body == {name: CRON[name] for name in ("agentId", "payload", "delivery")}
    assert await kept(store, "schedule", "c1") == CRON
    # What was missed is not caught up with: the first tick is one after the import.
    assert schedule.next_tick is not None
    assert schedule.next_tick > datetime.now(UTC) - timedelta(minutes=1)
    assert await store.schedule.fire(now=schedule.next_tick - timedelta(seconds=1)) == []
    (fired,) = await store.schedule.fire(now=schedule.next_tick)
    item = await store.queue.get(fired.item)
    assert item is not None
    assert (item.session, item.body["payload"]["message"]) == ("agent:main", "tidy up")
    assert await imported(store, dump, "cron_jobs", CRON) == 0
    assert await store.verify() == []


async def test_a_cron_job_changed_there_is_changed_here(store: agentlog.Store, dump: Dump):
    """And one that was disabled has no ticks."""
    await imported(store, dump, "cron_jobs", CRON | {"schedule": "0 9 * * 1"})
    schedule = await store.schedule.get("c1")
    assert schedule is not None
    assert (schedule.cron, schedule.time_zone) == ("0 9 * * 1", "UTC")
    await imported(store, dump, "cron_jobs", CRON | {"enabled": False, "updatedAtMs": T0 * 1000 + 9})
    schedule = await store.schedule.get("c1")
    assert schedule is not None
    assert (schedule.cron, schedule.paused, schedule.next_tick) == ("30 3 * * *", True, None)


async def test_a_cron_job_without_a_zone_goes_by_the_clock_of_its_host(store: agentlog.Store, dump: Dump):
    dump.row("cron_jobs", "c1", json.dumps(CRON | {"schedule": "0 9 * * 1"}))
    with pytest.raises(BadInput, match="Mars"):
        await store.import_rsclaw(dump.write(), time_zone="Mars/Olympus")
    await store.import_rsclaw(dump.path, time_zone="Asia/Shanghai")
    schedule = await store.schedule.get("c1")
    assert schedule is not None
    assert schedule.time_zone == "Asia/Shanghai"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"schedule": {"kind": "once", "atMs": SOON * 1000}}, "runs once"),
        ({"schedule": {"kind": "every", "everyMs": 5 * 86_400_000}}, "does not fit into"),
        ({"schedule": {"kind": "every"}}, "none that is known"),
        ({"schedule": "* * * * * *"}, "must have 5"),
        ({"schedule": {"kind": "cron", "expr": "0 9 * * *", "tz": "Nowhere"}}, "no time zone"),
        ({"iter": {"items": ["Tokyo", "Dubai"], "cursor": 1}}, "list of items"),
    ],
)
async def test_a_cron_job_that_no_schedule_can_be_is_put_aside(
    store: agentlog.Store, dump: Dump, changed: dict[str, Any], reason: str
):
    dump.row("cron_jobs", "c1", json.dumps(CRON | changed)).row("kv", "beside", "v")
    summary = await store.import_rsclaw(dump.write())
    (row,) = summary.rejected
    assert (row.table, row.key) == ("cron_jobs", "c1")
    assert reason in row.reason
    assert await store.schedule.get("c1") is None
    assert await store.keyvalue.get("beside") is not None


MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("every_ms", "anchor_ms", "cron"),
    [
        (MINUTE, 0, "* * * * *"),
        (20 * MINUTE, 7 * MINUTE, "7,27,47 * * * *"),
        (HOUR, 5 * MINUTE, "5 * * * *"),
        (8 * HOUR, HOUR + 30 * MINUTE, "30 1,9,17 * * *"),
        (DAY, 26 * HOUR, "0 2 * * *"),
        (7 * DAY, DAY + 9 * HOUR, "0 9 * * 5"),  # the second of January 1970 was a Friday
    ],
)
def test_an_interval_is_the_cron_expression_with_the_same_ticks(every_ms: int, anchor_ms: int, cron: str):
    assert interval(every_ms, anchor_ms) == cron


@pytest.mark.parametrize("every_ms", [0, 1, 90_000, 7 * MINUTE, 90 * MINUTE, 5 * HOUR, 3 * DAY])
def test_an_interval_that_no_cron_expression_says_is_refused(every_ms: int):
    with pytest.raises(BadInput):
        interval(every_ms, 0)


async def test_numbers_and_unknown_members_come_over_to_the_digit(store: agentlog.Store, dump: Dump):
    """A later release's row: what we have no name for is in the record and in the message."""
    text = json.dumps(TASK)[:-1] + ', "later": 12345678901234567890123}'
    dump.row("task_queue", "t1", text)
    await store.import_rsclaw(dump.write())
    assert (await kept(store, "task", "t1"))["later"] == 12345678901234567890123
