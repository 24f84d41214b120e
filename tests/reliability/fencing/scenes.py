"""Single situations between two processes, each with one right outcome. Each is a series without races.

A scene gets an empty series, opens stores, brings about its situation and returns what went wrong. What
can happen at any instant, to any of many, is drawn in series.py.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.reliability.fencing.crew import Refused
from tests.reliability.fencing.series import OpenStore, Series

ARGUMENTS: dict[str, Any] = {
    "segment_bytes_max": 2**26, "cached_streams_max": 1000, "batch_events_max": 64, "lock_wait_s": 0.2,
    "clock": "right", "seed": 0, "in_thread": False, "migrate": False,
}  # fmt: skip


async def opened(series: Series, worker: int, host: str = "host", **changes: Any) -> OpenStore:
    """Open a store; the first one makes the schema."""
    common = {
        "postgres": dict(series.postgres),
        "schema": series.schema,
        "notes": str(series.folder / "notes"),
    }
    arguments = ARGUMENTS | common | changes | {"migrate": not series.stores}
    name = f"{series.schema}.{len(series.stores)}"
    store = OpenStore(name, series.workers[worker], series.folder / host, arguments)
    await store.open()
    series.stores.append(store)
    return store


async def refusal(store: OpenStore) -> str:
    """Append; return the error it is refused with, "" for none."""
    try:
        await store.ask("append")
    except Refused as error:
        return error.name
    return ""


async def until_appended(store: OpenStore) -> None:
    """Append again and again: what was away is back, so it must come right by itself."""
    async with asyncio.timeout(20):
        while await refusal(store):  # noqa: ASYNC110  (another process decides)
            await asyncio.sleep(0.05)


async def stopped(store: OpenStore) -> asyncio.Task[str]:
    """Have the store's process stop in the middle of an append, holding the lock; return the append."""
    await store.ask("arm", stop_after=2)
    append = asyncio.create_task(refusal(store))
    async with asyncio.timeout(20):
        while not store.worker.is_stopped():  # noqa: ASYNC110  (another process decides)
            await asyncio.sleep(0.005)
    return append


async def a_stopped_holder_of_the_lock_is_waited_for_with_a_limit(series: Series) -> list[str]:
    """Others of its directory are told, and go on once it does; another host never waits."""
    holder, other = await opened(series, 0), await opened(series, 1)
    remote = await opened(series, 1, "another host")
    await other.ask("append")
    append = await stopped(holder)
    told = [await refusal(other), await refusal(other), await refusal(remote)]
    with suppress(Refused):
        await opened(series, 1)
        told.append("opened")
    holder.worker.resume()
    told.append(await append)
    await until_appended(other)
    expected = ["NotMirrored", "MirrorUnavailable", "", ""]
    return [] if told == expected else [f"told {told}, expected {expected}"]


async def a_killed_holder_of_the_lock_with_a_living_child_lets_go(series: Series) -> list[str]:
    """A flock lasts as long as any copy of its descriptor, and a forked child has copies of all."""
    holder, other = await opened(series, 0), await opened(series, 1)
    child = await holder.ask("fork_and_live")
    try:
        append = await stopped(holder)
        append.add_done_callback(lambda done: done.exception())
        await holder.worker.kill()
        told = await refusal(other)
    finally:
        os.kill(child, signal.SIGKILL)
    await holder.worker.start()
    series.stores.remove(holder)
    return [f"told {told}"] if told else []


async def a_deleted_directory_is_noticed_by_the_next_append(series: Series) -> list[str]:
    """It is not taken for durable any more; once somebody makes it anew, everything goes on there."""
    store = await opened(series, 0)
    await store.ask("append")
    shutil.rmtree(store.data)
    told = [await refusal(store), await refusal(store)]
    await opened(series, 1)
    await until_appended(store)
    expected = ["NotMirrored", "MirrorUnavailable"]
    return [] if told == expected else [f"told {told}, expected {expected}"]


async def a_copied_directory_and_its_original_go_apart_in_peace(series: Series) -> list[str]:
    """Each is told what only the other has synced by nobody: no false alarm when either opens again."""
    original = await opened(series, 0)
    await original.ask("append")
    shutil.copytree(original.data, series.folder / "copy")
    copy = await opened(series, 1, "copy")
    for _ in range(5):
        await original.ask("append")
    found = []
    for store in (copy, original):
        await store.ask("close")
        try:
            await store.open()
        except Refused as refused:
            found.append(f"opened again, it was told {refused}")
            series.stores.remove(store)
    return found


async def a_clock_ten_years_ahead_orders_nothing(series: Series) -> list[str]:
    """A real process under faketime; its monotonic clock is left alone, as a wrong wall clock leaves it."""
    worker = series.workers[0]
    await worker.kill()
    # The library itself: the command would stay between us and the process, and be killed in its stead.
    await worker.start({"LD_PRELOAD": _faketime(), "FAKETIME": "+10y", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    # On a directory of its own: time.sleep, with which a lock is waited for, fails under libfaketime.
    ahead, right = await opened(series, 0, "ahead"), await opened(series, 1)
    positions = [await store.ask("append") for _ in range(10) for store in (ahead, right)]
    judged = await right.ask("judge")
    found: list[str] = judged["violations"]
    if positions != list(range(1, 21)):
        found.append(f"positions {positions}")
    await ahead.ask("close")
    series.stores.remove(ahead)
    await worker.kill()
    await worker.start()
    return found


async def a_file_system_that_became_read_only_refuses(series: Series) -> list[str]:
    """Opening says so, and so does appending; nothing lands in Postgres alone without a word. As root."""
    store = await opened(series, 0)
    await store.ask("append")
    mount(store.data, "--bind", str(store.data))
    try:
        mount(store.data, "-o", "remount,ro,bind")
        told = []
        try:
            await opened(series, 1)
            told.append("opened")
        except Refused as refused:
            told.append(refused.name)
    finally:
        unmount(store.data)
    await until_appended(store)
    return [] if told == ["MirrorUnavailable"] else [f"told {told}"]


def mount(target: Path, *options: str) -> None:
    subprocess.run(["mount", *options, str(target)], check=True)


def unmount(target: Path) -> None:
    subprocess.run(["umount", "--lazy", str(target)], check=True)


Scene = Callable[[Series], Awaitable[list[str]]]
SCENES: tuple[Scene, ...] = (
    a_stopped_holder_of_the_lock_is_waited_for_with_a_limit,
    a_killed_holder_of_the_lock_with_a_living_child_lets_go,
    a_deleted_directory_is_noticed_by_the_next_append,
    a_copied_directory_and_its_original_go_apart_in_peace,
)
# What needs a tool or a right that is not everywhere, and why it is left out there.
NEEDING: dict[Scene, Callable[[], str]] = {
    a_clock_ten_years_ahead_orders_nothing: lambda: "" if _faketime() else "there is no faketime",
    a_file_system_that_became_read_only_refuses: lambda: _cannot_mount(),
}


def _faketime() -> str:
    """Path of libfaketime, "" when it is not installed."""
    return next((str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "")


def _cannot_mount() -> str:
    """Why no directory can be mounted over itself here; "" when one can."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        return "only root can mount"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True)
    return "" if tried.returncode == 0 else "this container may not mount"


async def play(series: Series, scene: Scene) -> list[str]:
    """Play one scene, then judge the log as after a race; return what went wrong."""
    series.directory_was_away = True
    found = await scene(series)
    await series.judge()
    await series.end()
    return [f"{scene.__name__}: {line}" for line in found + series.failures]
