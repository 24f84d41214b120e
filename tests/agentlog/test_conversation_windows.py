"""Windows that are kept: bounded, level with Postgres, and read anew where what is kept will not do."""

from __future__ import annotations

from agentlog.conversation_windows import Windows
from eventlog.envelope import StreamId
from projections.window import Window

MAIN = StreamId("", "session", "main")


def user(text):
    return {"role": "user", "content": text}


async def test_what_is_kept_of_windows_is_bounded_and_level_with_other_processes(open_store):
    """What was not looked at for longest goes first; a window larger than all there may be is not kept."""
    async with open_store() as writer, open_store("other host") as reader:
        windows = reader.conversation._windows
        windows._bytes_max = 5_000
        for key in ("a", "b", "c"):
            await writer.conversation.append_many(key, [user("x" * 1_000), user("y")])
            assert len(await reader.conversation.load(key)) == 2
        assert windows.bytes <= 5_000
        assert [windows.keeps(StreamId("", "session", key)) for key in "abc"] == [False, True, True]
        await writer.conversation.append("c", user("z" * 9_000))
        assert len(await reader.conversation.load("c")) == 3
        assert not windows.keeps(StreamId("", "session", "c"))
        await writer.conversation.append("b", user("more"))
        assert (await reader.conversation.load("b"))[-1].content == "more"


async def test_only_what_came_since_is_taken_into_a_window_that_is_kept(store):
    """The very same messages are given again; a session that is not there is not kept."""
    windows = Windows(store.conversation._scope, 10_000)
    assert await windows.current(MAIN) is None
    await store.conversation.append("main", user("a"))
    first = await windows.current(MAIN)
    await store.plan.replace_todos("main", [{"content": "x", "status": "pending"}])
    await store.conversation.append("main", user("b"))
    kept = first.messages[0]

    again = await windows.current(MAIN)

    assert again is first
    assert again.messages[0] is kept
    assert ([m.content for m in again.messages], again.version) == (["a", "b"], 3)


async def test_a_window_that_is_ahead_of_postgres_is_read_anew(store):
    """Postgres was set back, or another one took its place: what is kept is of another history."""
    windows = Windows(store.conversation._scope, 10_000)
    await store.conversation.append("main", user("a"))
    window = await windows.current(MAIN)
    window.version = 7
    window.messages.clear()

    assert [message.content for message in (await windows.current(MAIN)).messages] == ["a"]


async def test_nothing_is_kept_where_no_bytes_are_allowed(store):
    """The setting 0; each load then reads the window."""
    windows = Windows(store.conversation._scope, 0)
    await store.conversation.append("main", user("a"))

    one, other = await windows.current(MAIN), await windows.current(MAIN)

    assert isinstance(one, Window)
    assert one is not other
    assert (one.messages, windows.bytes) == (other.messages, 0)
