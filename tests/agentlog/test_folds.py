"""Projections of a program's own in the store's appends: filled, kept, verified, and asked for by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import agentlog
from agentlog.configuration import configure
from agentlog.errors import BadInput, ProjectionMismatch
from agentlog.folds import folds_of
from projections.catalog import INLINE
from projections.own import own_projection


class Said(msgspec.Struct, frozen=True):
    messages: int = 0
    last: str | None = None


def evolve(state: Said, said: Any, version: int) -> Said:
    return Said(state.messages + 1, said["role"])


SAID = own_projection("said", kind="session", state=Said, evolve=evolve, types=["message_appended"])


async def rows(store: agentlog.Store) -> list[tuple[Any, ...]]:
    found = await store.log.reads.fetch("SELECT key, messages, last FROM {schema}.said ORDER BY key")
    return [tuple(row) for row in found]


async def test_an_own_projection_is_kept_with_each_append_once_the_store_is_opened_with_it(open_store):
    """What was before is filled in at opening; reads see it at once; verify and rebuild know it."""
    async with open_store() as store:
        await store.conversation.append("a", {"role": "user", "content": "one"})
    async with open_store(projections=(SAID,)) as store:
        assert await rows(store) == [("a", 1, "user")]
        await store.conversation.append("a", {"role": "assistant", "content": "two"})
        assert await rows(store) == [("a", 2, "assistant")]
        assert await store.verify() == []
        await store.log.reads.fetch("UPDATE {schema}.said SET messages = 7")
        assert [found.where for found in (await store.rebuild(["said"], jobs=1)).differences] == ["said"]
        state = await store.replay.state("session", "a", position=1)
        assert state.tables["said"][0]["messages"] == 1
    with pytest.raises(ProjectionMismatch, match="said"):
        await open_store(migrate=None)
    places = (f"{__name__}:SAID",)
    async with open_store(projections=places, migrate=None) as store:
        assert await rows(store) == [("a", 2, "assistant")]


def failing(state: Said, said: Any, version: int) -> Said:
    raise RuntimeError("not what I expected")


FAILING = own_projection("failing", kind="session", state=Said, evolve=failing, types=["message_appended"])


async def test_there_is_a_way_back_from_an_own_projection_whose_fold_fails(open_store):
    """It is named, nobody appends meanwhile, and asking to migrate without it takes its table away."""
    async with open_store() as store:
        await store.conversation.append("a", {"role": "user", "content": "one"})
    with pytest.raises(BadInput, match=r"cannot be folded into failing: RuntimeError: .*schema migrate"):
        await open_store(projections=(FAILING,))
    with pytest.raises(ProjectionMismatch, match="failing"):
        await open_store(migrate=None)
    async with open_store(migrate=True) as store:
        await store.conversation.append("a", {"role": "user", "content": "two"})
        assert await store.verify() == []


def test_the_environment_names_projections_for_commands():
    """Arguments win; two of one name, and what is none, are refused."""
    named = configure(environment={"AGENTLOG_PROJECTIONS": f" {__name__}:SAID, "})
    assert named.folds == (*INLINE, SAID)
    assert configure(projections=(), environment={"AGENTLOG_PROJECTIONS": "x:Y"}).folds == INLINE
    for wrong in ("nowhere.at_all:X", f"{__name__}:NONE", f"{__name__}:Said", "json"):
        with pytest.raises(BadInput, match="projection"):
            folds_of([wrong])
    with pytest.raises(BadInput, match="two projections are called 'said'"):
        folds_of([SAID, SAID])


@pytest.mark.parametrize("text", ["1 / 0", "import sys; sys.exit(3)", "def ("])
def test_a_module_that_does_not_import_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str):
    """Whatever it raises: commands say it in a line, and no command ends because a module says so."""
    (tmp_path / "broken_folds.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match="'broken_folds:X' cannot be imported: "):
        folds_of(["broken_folds:X"])
