"""Generations, and questions to the archive."""

from __future__ import annotations

import asyncio
import importlib.util

import pytest

from agentlog.archive import decide_new_generation
from agentlog.archive_answer import Answer
from agentlog.errors import BadInput, NotFound
from eventlog.events import GenerationStarted
from projections.conversation import Conversation
from projections.generations import Generation
from projections.session import Session


async def fill(store, count=5, key="main"):
    for n in range(count):
        await store.conversation.append(
            key, {"role": "user", "content": f"message {n}"}, usage={"output_tokens": n}, model="m"
        )


def test_a_generation_has_the_next_number_and_begins_after_what_was_said():
    """Numbers are never used twice; the archive's order hangs on them."""
    started = decide_new_generation("k", "new", Session(), Conversation(7), Generation(2, 3))

    assert started == [GenerationStarted(3, 7, "new")]
    assert decide_new_generation("k", None, Session(), None, None) == [GenerationStarted(1, 0)]
    with pytest.raises(NotFound):
        decide_new_generation("k", None, None, None, None)


async def test_generations_started_at_once_all_get_a_number_of_their_own(store):
    """Also when several ask at the same moment."""
    await fill(store, 1)

    numbers = await asyncio.gather(*(store.archive.new_generation("main") for _ in range(8)))

    assert sorted(numbers) == list(range(1, 9))
    assert (await store.sessions.get("main")).generation == 8


async def test_a_question_is_asked_when_awaited_or_looked_at(store):
    """Awaited it blocks nobody; looked at, it is quick to write. It is asked once."""
    await fill(store, 1)
    awaited = await store.archive.sql("select count(*) from messages")
    later = store.archive.sql("select count(*) from messages")
    await fill(store, 1)

    assert awaited.rows == [(1,)]
    assert later.rows == [(2,)]
    await fill(store, 1)
    assert (await later).rows == [(2,)]


@pytest.mark.parametrize("built", [0, 3, 6])
async def test_an_answer_is_never_stale(store, built):
    """Whatever part of it is in Parquet files already."""
    await fill(store, 3)
    if built == 3:
        await store.archive.build()
    await store.archive.new_generation("main")
    await fill(store, 2)
    if built == 6:
        await store.archive.build()
    await fill(store, 1, "other")

    assert [row["messages"] for row in store.archive.stat("main").dicts()] == [3, 2]
    texts = [row["text"] for row in store.archive.tail("main", 3).dicts()]
    assert texts == ["message 2", "message 0", "message 1"]
    assert [row["text"] for row in store.archive.head("main", 1).dicts()] == ["message 0"]
    assert [row["text"] for row in store.archive.seq("main", 0, 9, generation=1).dicts()] == texts[1:]
    assert len(store.archive.seq("main", 2)) == 1
    assert len(store.archive.grep("message [01]")) == 5
    assert len(store.archive.grep("message 0", "other")) == 1
    assert store.archive.sql("select model, sum(output_tokens) from usage group by all").rows == [("m", 4)]


async def test_questions_about_nobody_and_questions_that_are_none_are_refused(store):
    """With words; the archive cannot be changed through them."""
    await fill(store, 1)
    for ask in (store.archive.stat, store.archive.head, store.archive.tail):
        with pytest.raises(NotFound):
            await ask("nobody")
    for query in (
        "drop table messages",
        "select 1; select 2",
        "selec",
        "copy messages to 'x'",
        "from nowhere",
    ):
        with pytest.raises(BadInput):
            await store.archive.sql(query)
    with pytest.raises(BadInput, match="more than 10 rows"):
        await store.archive.sql("from range(1000000000)", rows_max=10)
    with pytest.raises(BadInput, match="rows_max 0"):
        await store.archive.sql("select 1", rows_max=0)
    for first, last in ((-1, 3), (3, 1)):
        with pytest.raises(BadInput):
            store.archive.seq("main", first, last)


async def test_a_table_is_rows_dicts_and_a_data_frame_where_pandas_is(store):
    """The three ways people go on with an answer."""
    await fill(store, 2)

    table = store.archive.sql("select seq, text from messages order by seq")
    assert isinstance(table, Answer)

    assert list(table) == table.rows == [(0, "message 0"), (1, "message 1")]
    assert table.columns == ("seq", "text")
    assert table.dicts()[1] == {"seq": 1, "text": "message 1"}
    for package, frame in (("pandas", table.df), ("polars", table.pl), ("pyarrow", table.arrow)):
        if importlib.util.find_spec(package):
            assert next(iter(frame()["text"])) in ("message 0", "message 1")
        else:
            with pytest.raises(BadInput, match=package):
                frame()


async def test_an_awaited_answer_holds_what_another_host_has_just_appended(open_store, store):
    """A host that only asks never appends, and appending is what brings others' events here."""
    async with open_store("reader") as reader:
        await fill(store, 3)

        counted = await reader.archive.sql("select count(*) from messages")

        assert counted.rows == [(3,)]
        assert reader.log.segments.durable_position == (await store.log.head()).position


async def test_deletes_generations_and_compactions_remove_nothing_from_the_archive(store):
    """Never removed: what an agent once said can be looked up, whatever became of its session."""
    await fill(store, 2)
    await store.conversation.compact("main", summary="two messages")
    await store.archive.new_generation("main")
    await fill(store, 1)
    await store.sessions.delete("main")
    await store.archive.build()

    texts = [row["text"] for row in store.archive.head("main").dicts()]
    assert texts == ["message 0", "message 1", "two messages", "message 0"]
    assert len(store.archive.grep("message 1")) == 1
    assert store.archive.sql("select summary from compactions").rows == [("two messages",)]
    assert store.archive.sql("select generation, messages from generations order by all").rows == [
        (0, 3),
        (1, 1),
    ]


async def test_pages_go_on_where_the_last_one_ended(store):
    """An agent reads a long session in pieces; a piece never exceeds what it asked for."""
    await fill(store, 7)
    seen, after = [], 0
    while True:
        page = await store.archive.head("main", 3, after=after)
        seen += [row["seq"] for row in page.dicts()]
        if page.more is None:
            break
        after = page.more
    assert seen == list(range(7))
    last = await store.archive.tail("main", 3)
    before = await store.archive.tail("main", 3, before=last.more)
    assert [row["seq"] for row in [*before.dicts(), *last.dicts()]] == [1, 2, 3, 4, 5, 6]
    found = await store.archive.grep(
        "MESSAGE [2-5]", "main", "nobody", ignore_case=True, limit=2, role="user"
    )
    rest = await store.archive.grep("message [2-5]", "main", after=found.more, context=1)
    assert [row["seq"] for row in [*found.dicts(), *rest.dicts()]] == [2, 3, 4, 5]
    assert rest.more is None
    assert [row["seq"] for row in store.archive.search("message 6", limit=1).dicts()] == [6]
    timeline = await store.archive.timeline("main", 2)
    assert [row["type"] for row in timeline.dicts()] == ["message_appended"] * 2
    with pytest.raises(BadInput):
        store.archive.grep("x", context=99)


async def test_the_files_can_be_looked_at_merged_and_compared_with_the_log(store):
    """From the handle as from a shell."""
    await fill(store, 3)
    await store.archive.build()

    assert (await store.archive.status()).messages == 3
    assert await store.archive.compact() == 0
    assert await store.archive.check() == []


async def test_the_view_of_tasks_says_what_the_tasks_themselves_say(store, open_store):
    """Of every tenant in one store, and of its own in another; also of what is in no file yet."""
    await store.tasks.enqueue(["one"], session="main", ttl_s=3600, retries_max=0, tenant="acme")
    await store.archive.build()
    for n in range(4):
        await store.tasks.enqueue([n], priority=n, delay_s=1e-6 * n, backoff_s=1000)
    three, two, one = await store.tasks.claim("worker", limit=3)
    await store.tasks.progress(three, 7)
    await store.tasks.complete(three)
    await store.tasks.fail(two, "tired")
    await store.tasks.release(one, "gave back")
    [only] = await store.tasks.claim("other", tenant="acme")
    await store.tasks.fail(only, "broke")

    columns = ("session", "queue", "lane", "status", "priority", "run_at", "expires_at", "worker", "attempts",
               "retries", "retries_max", "releases", "turn", "merged", "notified", "reason")  # fmt: skip
    found = await store.archive.sql(f"select tenant, task, {', '.join(columns)} from tasks")
    live = [*await store.tasks.list(), *await store.tasks.list(tenant="acme")]
    assert sorted(task.status for task in live) == ["completed", "dead", "pending", "pending", "pending"]
    assert sorted(found.rows) == sorted(
        (task.tenant, task.id, *(getattr(task, column) for column in columns)) for task in live
    )
    async with open_store("acme", tenant="acme") as acme:
        own = await acme.archive.sql("select task, status from tasks")
        assert own.rows == [(only.id, "dead")]
