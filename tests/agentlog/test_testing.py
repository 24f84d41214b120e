"""The test kit says of a handler what a store would: the fake passes what the real one passes."""

from __future__ import annotations

import pytest

from agentlog.testing import NOW, given
from eventlog.command import Command
from eventlog.events import (
    TaskClaimed,
    TaskCompleted,
    TaskDied,
    TaskEnqueued,
    TaskProgressed,
    TaskReleased,
    decode_event,
    raw,
)


async def count(task):
    """A handler as users write them: says how far it is, gives up on what it cannot do."""
    if task.messages == ("stop",):
        await task.release("not now")
        return None
    if not isinstance(task.messages[0], int):
        raise ValueError("no number")
    await task.progress(task.turn + 1, reply="counting")
    return task.messages[0] + task.turn


HISTORIES = {
    "done": ([TaskEnqueued(raw([4]))], [TaskProgressed(1, "counting"), TaskCompleted(raw(4))]),
    "resumed": (
        [TaskEnqueued(raw([4])), TaskClaimed("w"), TaskProgressed(3), TaskReleased()],
        [TaskProgressed(4, "counting"), TaskCompleted(raw(7))],
    ),
    "dead": ([TaskEnqueued(raw(["x"]), retries_max=0)], [TaskDied("ValueError: no number")]),
    "given back": ([TaskEnqueued(raw(["stop"]))], [TaskReleased("not now")]),
}


@pytest.mark.parametrize("name", HISTORIES)
async def test_a_handler_does_in_a_test_what_it_does_in_a_store(store, name):
    """Given events, when it runs, then events; the same on a real log."""
    before, after = HISTORIES[name]
    (await given(*before).when(count)).then(*after)

    stream = store._scope.stream("task", "t", None)
    await store.log.append(Command([store._scope.new(stream, event) for event in before]))
    work = store.tasks.work()
    async for task in work:
        await task.start(count)
        work.stop()
    events = (await store.log.read_stream(stream))[len(before) + 1 :]
    assert [decode_event(e.type, e.schema, e.data, e.encoding) for e in events] == after


async def test_a_failure_is_tried_again_later_and_what_differs_is_shown():
    """`state` is the row that the store would have."""
    done = await given(TaskEnqueued(raw(["x"]))).when(count)
    assert done.state.retries == 1
    assert done.state.run_at > NOW
    with pytest.raises(AssertionError, match="TaskFailed"):
        done.then(TaskCompleted())
