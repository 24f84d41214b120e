"""A short slice of `make kill-workers`, and the judge of it judged."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw

from eventlog.envelope import Event, Stream
from tests.reliability.workers.judge import Judge
from tests.reliability.workers.series import Series


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that a server under another user may pass through."""
    with tempfile.TemporaryDirectory(prefix="agentlog-test-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


async def test_nothing_is_lost_or_done_twice_when_workers_are_killed(folder: Path):
    """Real processes, kill -9: what they held returns, a session's order holds, tables equal a replay."""
    series = Series(folder, random.randrange(2**32))
    await series.run(seconds=4.0, workers=2, pause_s=0.8)
    assert series.failures == []
    assert series.counts["completions that were told"] > 0


def said(*events):
    """Events of items `a` and `b` of one session, in the order of the log."""
    for position, (key, what, value) in enumerate(events, 1):
        yield Event(
            position=position, tenant="", stream=Stream("queue_item", key), version=1, type=f"item_{what}",
            schema=1, id="", time="", occurred_at=None, encoding=None, data=Raw(msgspec.json.encode(value)),
            meta=Raw(b"{}"),
        )  # fmt: skip


A, B = ("a", "enqueued", {"session": "s"}), ("b", "enqueued", {"session": "s"})


@pytest.mark.parametrize(
    ("events", "wrong"),
    [
        ([A, ("a", "claimed", {}), ("a", "claimed", {})], "TWO LIVE CLAIMS"),
        ([A, B, ("a", "claimed", {}), ("b", "claimed", {})], "TOO MANY"),
        ([A, B, ("b", "claimed", {})], "OUT OF ORDER"),
        ([A, ("a", "completed", {})], "COMPLETED UNCLAIMED"),
        ([A, ("a", "claimed", {}), ("a", "completed", {}), ("a", "completed", {})], "DOUBLE COMPLETION"),
    ],
)
def test_the_judge_sees_what_is_wrong(events, wrong):
    """A judge that sees nothing would find any history good."""
    judge = Judge()
    judge.read(said(*events))
    assert any(line.startswith(wrong) for line in judge.wrong)


def test_the_judge_finds_a_good_history_good_and_names_what_is_lost():
    judge = Judge()
    judge.read(
        said(A, B, ("a", "claimed", {}), ("a", "released", {}), ("a", "claimed", {}), ("a", "completed", {}))
    )
    assert judge.wrong == []
    assert judge.done == {("queue_item", "a"): 5}
    assert judge.lost() == ["LOST ('queue_item', 'b')"]
