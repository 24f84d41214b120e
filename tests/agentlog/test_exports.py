"""Everything out of a store, as its user asks for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import agentlog
from eventlog.errors import BadInput


async def test_a_store_as_of_a_position_opens_by_itself(store: agentlog.Store, tmp_path: Path):
    """With an embedded Postgres of its own, and goes on from there."""
    await store.sessions.create("a", title="first")
    await store.sessions.update("a", title="second")
    manifest = await store.replay.export_store(tmp_path / "copy", position=1)
    assert manifest.events == 1
    async with agentlog.open(tmp_path / "copy", tenant="") as copy:
        session = await copy.sessions.get("a")
        assert session is not None
        assert session.title == "first"
        await copy.sessions.update("a", title="otherwise")
        assert await copy.verify() == []
    with pytest.raises(BadInput, match="holds something"):
        await store.replay.export_store(tmp_path / "copy")


async def test_a_store_that_was_not_made_to_its_end_is_not_there(
    store: agentlog.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It would open, and have no events; and the same call again would find something there."""
    await store.sessions.create("a")

    async def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("agentlog.exports.import_empty", cut)
    with pytest.raises(KeyboardInterrupt):
        await store.replay.export_store(tmp_path / "copy")
    assert not [name for name in os.listdir(tmp_path) if name == "copy" or "export" in name]


async def test_a_store_of_one_tenant_gives_out_and_takes_in_its_own(open_store, tmp_path: Path):
    """And names no other."""
    async with open_store() as store:
        for tenant in ("acme", "globex"):
            await store.sessions.create("a", tenant=tenant)
        assert (await store.replay.export(tmp_path / "all")).events == 2
    async with open_store(tenant="acme") as store:
        assert (await store.replay.export(tmp_path / "own")).events == 1
        with pytest.raises(agentlog.errors.WrongTenant):
            await store.replay.export(tmp_path / "other", tenant="globex")
        with pytest.raises(BadInput, match="opened for tenant"):
            await store.replay.export_store(tmp_path / "store")
        report = await store.replay.merge(tmp_path / "all")
        assert (report.events_new, report.events_present) == (0, 1)
