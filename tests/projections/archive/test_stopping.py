"""Questions are stopped by their time limit or by whoever asked: at once, and the next one is answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event as Signal
from threading import Thread

import duckdb
import pytest

from eventlog.envelope import Event
from eventlog.errors import BadInput, Closed
from projections.archive import Archive, Stop
from projections.archive.warm import Warm
from tests.projections.archive.history import LOG_ID, History
from tests.support.questions import ENDLESS, inside, once, until

COUNT = "select count(*) from messages"


def talk(count: int = 10) -> History:
    history = History()
    for _ in range(count):
        history.message("s")
    return history


@pytest.mark.timeout(120)
def test_a_time_limit_that_is_over_before_duckdb_begins_ends_the_query(tmp_path: Path) -> None:
    """DuckDB forgets what it is told before it begins; told once, it would count for days."""
    with talk().connect(tmp_path, timeout_s=1e-9) as connection:
        for _ in range(5):
            with pytest.raises(BadInput, match="took longer than 1e-09 seconds"):
                connection.sql(ENDLESS)


@pytest.mark.timeout(120)
def test_what_is_told_to_stop_once_answers_no_more(tmp_path: Path) -> None:
    """Neither what runs nor what was about to; and it is not the time limit that is blamed."""
    with talk().connect(tmp_path, timeout_s=1000) as connection:
        half_read = iter(connection.sql("select * from range(100000)"))
        next(half_read)
        once(inside, connection.interrupt)
        for ask in (lambda: connection.sql(ENDLESS), lambda: connection.sql(COUNT), lambda: list(half_read)):
            with pytest.raises(Closed, match="was stopped"):
                ask()


def test_nothing_is_interrupted_after_what_was_to_be_stopped() -> None:
    """A transaction is rolled back on the same connection, and must be, whole."""
    connection = duckdb.connect()
    for _ in range(20):
        stop = Stop()
        connection.execute("begin")
        Thread(target=stop.ask).start()
        with pytest.raises(Closed, match="was stopped"), stop.working(connection):
            connection.execute(ENDLESS)
        connection.execute("rollback")
        assert connection.execute("select sum(range) from range(10000)").fetchall() == [(49995000,)]


def test_a_question_that_is_stopped_while_the_tail_is_read_leaves_it_to_the_next(tmp_path: Path) -> None:
    """Reading a long tail takes seconds: it is given up, and nothing of it stays."""
    history, stop, read_to = talk(), Stop(), 0

    def read(after: int, until: int | None) -> Iterator[Sequence[Event]]:
        nonlocal read_to
        for block in history.read(after, until):
            stop.ask()
            read_to = block[-1].position
            yield block

    archive = Archive(tmp_path, read, LOG_ID)
    with pytest.raises(Closed, match="was stopped"), archive.ask(history.head, stop=stop):
        pass
    assert read_to == 3
    with archive.ask(history.head) as connection:
        assert connection.sql(COUNT).rows() == [(10,)]
    archive.close()


def test_a_question_does_not_wait_for_another_ones_tail_when_it_is_stopped(tmp_path: Path) -> None:
    """Only one reads the tail at a time; the other is not held up by a reading that takes long."""
    history, reading, go_on = talk(), Signal(), Signal()

    def read(after: int, until: int | None) -> Iterator[Sequence[Event]]:
        reading.set()
        go_on.wait()
        yield from history.read(after, until)

    archive = Archive(tmp_path, read, LOG_ID)

    def count(stop: Stop) -> int:
        with archive.ask(history.head, stop=stop) as connection:
            return connection.sql(COUNT).rows()[0][0]

    with ThreadPoolExecutor() as threads:
        try:
            first, stop = threads.submit(count, Stop()), Stop()
            reading.wait()
            second = threads.submit(count, stop)
            until(lambda: inside(Warm._turn))
            stop.ask()
            with pytest.raises(Closed, match="was stopped"):
                second.result()
            assert not first.done()
        finally:
            go_on.set()
        assert first.result() == 10
    archive.close()


def test_a_question_that_was_stopped_before_it_began_is_not_asked(tmp_path: Path) -> None:
    """It may have waited for a thread for long."""
    archive, stop = talk().archive(tmp_path), Stop()
    stop.ask()
    with pytest.raises(Closed, match="was stopped"), archive.ask(10, stop=stop):
        pass
    assert list((tmp_path / "spill").iterdir()) == []
