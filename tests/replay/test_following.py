"""Users' projections that follow the log: rows and checkpoint together, an exact lag, and a rebuild."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from eventlog.errors import BadInput
from eventlog.log import Log
from projections.catalog import INLINE, VIEWS_SQL
from projections.own import own_projection
from replay.following import Following
from replay.verify import verify
from tests.replay.support import OTHER, Spoiled, message


class Said(msgspec.Struct, frozen=True):
    count: int = 0
    last: str | None = None


def evolve(state: Said, said: Any, version: int) -> Said:
    return Said(state.count + 1, said["message_id"])


def louder(state: Said, said: Any, version: int) -> Said:
    return Said(state.count + 10, said["message_id"])


def projection(version: int = 1, fold: Any = evolve, name: str = "said") -> Any:
    return own_projection(
        name, kind="session", state=Said, evolve=fold, types=["message_appended"], version=version
    )


async def rows(spoiled: Spoiled, table: str = "said") -> list[tuple]:
    found = await spoiled.sql(
        "SELECT key, count, last, version, first_position, last_position"
        f" FROM {{schema}}_own.{table} ORDER BY key"
    )
    return [tuple(row) for row in found]


EXPECTED = [("a", 6, "m6", 9, 2, 13), ("a:b", 1, "n0", 1, 6, 6)]


async def test_rows_and_checkpoint_stand_where_the_log_does(spoiled: Spoiled):
    """In one go, or event by event: the same rows; and the log's own schema is as it was."""
    await spoiled.fill()
    log = await spoiled.log()
    following = Following(log, [projection()])
    assert await following.lag() == {"said": 13}
    assert await following.catch_up() == 13
    assert await rows(spoiled) == EXPECTED
    await spoiled.append(OTHER, message("n1"))
    assert await following.lag() == {"said": 1}
    assert await following.catch_up() == 14
    assert (await rows(spoiled))[1] == ("a:b", 2, "n1", 3, 6, 14)
    assert await verify(log) == []
    await spoiled.sql("DROP SCHEMA {schema}_own CASCADE")


async def test_a_fold_of_another_version_begins_anew_and_so_does_a_rebuild(spoiled: Spoiled):
    """Of one alone: another that follows keeps its rows."""
    await spoiled.fill()
    log = await spoiled.log()
    await Following(log, [projection(), projection(name="also")]).catch_up()
    newer = Following(log, [projection(2, louder), projection(name="also")])
    assert await newer.lag() == {"said": 13, "also": 0}
    await newer.catch_up()
    assert [row[1] for row in await rows(spoiled)] == [60, 10]
    await spoiled.sql("UPDATE {schema}_own.said SET count = 0", "UPDATE {schema}_own.also SET count = 0")
    assert await newer.rebuild("said") == 13
    assert [row[1] for row in await rows(spoiled)] == [60, 10]
    assert [row[1] for row in await rows(spoiled, "also")] == [0, 0]
    with pytest.raises(BadInput, match="no projection"):
        await newer.rebuild("none")
    await spoiled.sql("DROP SCHEMA {schema}_own CASCADE")


async def test_what_fails_leaves_rows_and_checkpoint_as_they_were(spoiled: Spoiled):
    """A fold that breaks its promise, in the middle of a page."""

    def broken(state: Said, said: Any, version: int) -> Said:
        if said["message_id"] == "m5":
            raise RuntimeError("this fold is not total")
        return evolve(state, said, version)

    await spoiled.fill()
    log = await spoiled.log()
    following = Following(log, [projection(1, broken)])
    with pytest.raises(RuntimeError):
        await following.catch_up()
    assert await following.lag() == {"said": 13}
    assert await rows(spoiled) == []
    await Following(log, [projection()]).catch_up()
    assert await rows(spoiled) == EXPECTED
    await spoiled.sql("DROP SCHEMA {schema}_own CASCADE")


async def test_several_that_follow_the_same_one_take_turns(spoiled: Spoiled):
    """Nothing is folded twice."""
    await spoiled.fill()
    log = await spoiled.log()
    await asyncio.gather(*(Following(log, [projection()]).catch_up() for _ in range(4)))
    assert await rows(spoiled) == EXPECTED
    await spoiled.sql("DROP SCHEMA {schema}_own CASCADE")


async def test_one_that_runs_sees_what_comes(spoiled: Spoiled):
    """Until it is cancelled."""
    log = await spoiled.log()
    following = Following(log, [projection()])
    task = asyncio.create_task(following.run())
    await spoiled.fill()
    async with asyncio.timeout(30):
        while (await following.lag())["said"]:  # each question is a turn of the loop
            continue
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert await rows(spoiled) == EXPECTED
    await spoiled.sql("DROP SCHEMA {schema}_own CASCADE")


async def test_a_checkpoint_ahead_of_the_log_is_refused_and_rebuilt(spoiled: Spoiled):
    """A log that was restored does not have what was folded."""
    await spoiled.fill()
    log = await spoiled.log()
    following = Following(log, [projection()])
    await following.catch_up()
    await spoiled.sql("UPDATE {schema}_own.checkpoints SET position = 99")
    with pytest.raises(BadInput, match="is 99, and the log ends at 13"):
        await following.catch_up()
    assert await rows(spoiled) == EXPECTED
    assert await following.rebuild("said") == 13
    assert await rows(spoiled) == EXPECTED
    await spoiled.sql("DROP SCHEMA {schema}_own CASCADE")


async def test_the_same_projection_can_be_inline(spoiled: Spoiled):
    """Its rows are then there when the append returns, and verified with the others."""
    folds = [*INLINE, projection()]
    async with await Log.open(
        spoiled.data, spoiled.postgres, projections=folds, views_sql=[VIEWS_SQL],
        settings=spoiled.settings, migrate=True,
    ) as log:  # fmt: skip
        spoiled._log = log
        await spoiled.fill()
        found = await spoiled.sql("SELECT key, count, last FROM {schema}.said ORDER BY key")
        assert [tuple(row) for row in found] == [row[:3] for row in EXPECTED]
        assert await verify(log) == []
        spoiled._log = None


@pytest.mark.parametrize("names", [["a", "a"], ["checkpoints"]])
async def test_names_that_collide_are_refused(spoiled: Spoiled, names: list[str]):
    """Before anything is made."""
    with pytest.raises(BadInput, match="cannot follow"):
        Following(await spoiled.log(), [projection(name=name) for name in names])
