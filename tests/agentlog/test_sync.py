"""The same store without `await`: the same answers, the same signatures, and an orderly end."""

from __future__ import annotations

import gc
import inspect
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import agentlog
from agentlog.errors import BadInput, Closed, NotFound
from agentlog.scope import TenantLog
from agentlog.sync import Iteration, synchronous
from eventlog.embedded.server import EmbeddedPostgres
from eventlog.log import Log
from tests.support.forking import true_in_a_child
from tests.support.questions import ENDLESS, inside, once

S = "agent:main"
HELLO = {"role": "user", "content": "hello"}
Open = Callable[..., "agentlog.sync.Store"]


@pytest.fixture
def open_sync(postgres_server: EmbeddedPostgres, schema_name: str, tmp_path: Path) -> Open:
    """Open the test's store, synchronously; arguments go to agentlog.sync.open."""

    def open_it(**arguments: Any) -> agentlog.sync.Store:
        settings = agentlog.Settings(schema=schema_name)
        arguments = {"migrate": True, "tenant": "", "settings": settings} | arguments
        return agentlog.sync.open(tmp_path / "data", postgres=postgres_server.connection, **arguments)

    return open_it


@pytest.fixture
def store(open_sync: Open) -> Iterator[agentlog.sync.Store]:
    """An open store."""
    with open_sync() as opened:
        yield opened


def test_the_handles_do_what_they_do_with_await(store: agentlog.sync.Store):
    """Create, append, read one's own writes, ask the archive, verify."""
    store.sessions.create(S, title="First steps")
    receipt = store.conversation.append(S, HELLO)
    assert receipt.last_position == 2
    assert [message.content for message in store.conversation.load(S)] == ["hello"]
    assert store.sessions.get(S).title == "First steps"
    assert store.archive.new_generation(S) == 1
    assert store.archive.sql("select text from messages").rows == [("hello",)]
    item = store.queue.enqueue(S, {"text": "look"})
    assert [claimed.id for claimed in store.queue.claim("worker")] == [item]
    assert store.status().sessions == 1
    assert store.verify() == []
    with pytest.raises(NotFound):
        store.sessions.end("nobody")
    assert store.configuration.tenant == ""


def test_a_reader_of_the_log_iterates(store: agentlog.sync.Store):
    """Blocks that end, and a subscription that goes on with what comes."""
    store.conversation.append_many(S, [HELLO, HELLO, HELLO])
    blocks = list(store.log.read())
    assert [event.position for block in blocks for event in block] == [1, 2, 3]
    events = store.log.subscribe(after=2)
    assert next(events).position == 3
    writer = threading.Thread(target=store.conversation.append, args=(S, HELLO))
    writer.start()
    assert next(events).position == 4
    writer.join()
    events.close()
    with pytest.raises(StopIteration):
        next(events)


def test_an_iterator_that_is_left_is_let_go_of(store: agentlog.sync.Store):
    """By the collector, in whatever thread that runs: it must wait for nothing."""
    store.conversation.append(S, HELLO)
    ended = threading.Event()

    async def source() -> Any:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    left = Iteration(store._thread, source())
    assert next(left) == 1
    del left
    gc.collect()
    assert ended.wait(60)


def test_threads_share_a_store(store: agentlog.sync.Store):
    """All that several threads append is there, once, in an order of the log's."""

    def append(name: str) -> None:
        for _ in range(5):
            store.conversation.append(name, HELLO)

    threads = [threading.Thread(target=append, args=(f"s{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.log.head().position == 30
    assert [len(store.conversation.load(f"s{n}")) for n in range(6)] == [5] * 6


def test_ctrl_c_ends_what_waits_and_the_store_goes_on(store: agentlog.sync.Store):
    """A subscription is what a program waits in; the `for` is over, the store is not."""
    main = threading.get_ident()
    store.conversation.append(S, HELLO)
    seen = []

    def follow() -> None:
        for event in store.log.subscribe():
            seen.append(event.position)
            # While the next one is waited for: what was read before is through.
            store._thread.tell(lambda: signal.pthread_kill(main, signal.SIGINT))

    with pytest.raises(KeyboardInterrupt):
        follow()
    assert seen == [1]
    store.conversation.append(S, HELLO)
    assert len(store.conversation.load(S)) == 2


def test_ctrl_c_stops_a_question_and_the_next_one_is_answered(store: agentlog.sync.Store):
    """Whoever asked too much tries again with less."""
    main = threading.get_ident()
    store.conversation.append(S, HELLO)
    once(inside, lambda: signal.pthread_kill(main, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        store.archive.sql(ENDLESS)
    assert not inside()
    assert store.archive.sql("select text from messages").rows == [("hello",)]


def test_use_after_close_is_refused_and_closing_twice_is_not(open_sync: Open):
    with open_sync() as store:
        store.conversation.append(S, HELLO)
        events = store.log.subscribe()
        assert next(events).position == 1
    store.close()
    for use in (lambda: store.conversation.append(S, HELLO), store.status, lambda: next(events)):
        with pytest.raises(Closed):
            use()
    events.close()
    with open_sync() as again:
        assert len(again.conversation.load(S)) == 1


def test_a_forked_child_is_told_to_open_a_store_of_its_own(store: agentlog.sync.Store):
    store.conversation.append(S, HELLO)

    def refused() -> bool:
        try:
            store.conversation.append(S, HELLO)
        except Closed as error:
            return "before a fork" in str(error)
        return False

    assert true_in_a_child(refused)
    assert len(store.conversation.load(S)) == 1


def test_a_callback_that_calls_the_store_is_refused(store: agentlog.sync.Store, tmp_path: Path):
    """It runs in the loop, which would wait for itself for ever."""
    path = tmp_path / "s.jsonl"
    path.write_text(
        '{"type": "user", "uuid": "u", "sessionId": "s", "message": {"role": "user", "content": "x"}}\n'
    )
    with pytest.raises(Closed, match="wait for itself"):
        store.import_transcripts([path], progress=lambda done: store.status())
    assert store.status().sessions == 1


def test_a_store_that_does_not_open_leaves_no_thread(open_sync: Open):
    before = threading.active_count()
    with pytest.raises(BadInput):
        open_sync(tenant="\0")
    with pytest.raises(BadInput):
        agentlog.sync.open(postgres="mysql://nowhere")
    assert threading.active_count() == before


def test_signatures_and_words_are_those_of_the_asynchronous_ones():
    """What `help` shows; only what is returned may be called otherwise, and nothing is to be awaited."""
    opened, original = inspect.signature(agentlog.sync.open), inspect.signature(agentlog.open)
    assert opened.parameters == original.parameters
    assert opened.return_annotation == "Store"
    for kind in (agentlog.Store, Log, TenantLog):
        made = synchronous(kind)
        for name, function in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_"):
                member = getattr(made, name)
                assert inspect.signature(member).parameters == inspect.signature(function).parameters
                assert "Async" not in str(inspect.signature(member))
                assert member.__doc__ == function.__doc__
                assert not inspect.iscoroutinefunction(member)


def test_a_handle_shows_its_names(store: agentlog.sync.Store):
    """For people at a prompt."""
    assert {"sessions", "conversation", "queue", "archive", "log", "close", "verify"} <= set(dir(store))
    assert "append" in dir(store.conversation)
    assert "synchronous" in repr(store.sessions)
    with pytest.raises(AttributeError):
        _ = store.nothing


UNCLOSED = """
import agentlog, sys
store = agentlog.sync.open(sys.argv[1])
store.conversation.append("s", {"role": "user", "content": "kept"})
events = store.log.subscribe()
next(events)
"""


def test_a_program_that_forgets_to_close_ends_and_loses_nothing(tmp_path: Path):
    """As after a kill: what was acknowledged is there, and the embedded server is not left running."""
    data = tmp_path / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENTLOG_")}
    root = str(Path(__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-c", UNCLOSED, str(data)],
        env={**environment, "PYTHONPATH": root}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    with agentlog.sync.open(data, tenant="") as store:
        assert [message.content for message in store.conversation.load("s")] == ["kept"]


def test_a_worker_without_await_ends_what_it_was_given_by_itself(store: agentlog.sync.Store):
    """One after the other, until it stops; what it held is its until then."""
    made = [store.tasks.enqueue([n]) for n in range(3)]
    work = store.tasks.work(concurrency=1)
    for task in work:
        if task.messages[0] == 1:
            task.fail("not this one")
        else:
            task.complete(task.messages[0])
        if task.messages[0] == 2:
            work.stop()
    found = [store.tasks.get(id) for id in made]
    assert [(one.status, one.result) for one in found] == [
        ("completed", 0),
        ("pending", None),
        ("completed", 2),
    ]


def test_an_answer_that_is_printed_says_what_it_is(store: agentlog.sync.Store):
    """Without `await` it was asked before it was given."""
    answer = store.archive.sql("select 1 as one, 2 as two")
    assert repr(answer) == "<Answer: 1 rows of one, two>"
