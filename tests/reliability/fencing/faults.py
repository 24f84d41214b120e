"""What happens to writers during a race, one function each. None of it may show in the log.

Every function gets the series while all of its agents append, and returns when what it did is over:
nobody is paused any more and every store that it closed is open again.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from eventlog.settings import Settings
from replay.restore import restore_segments
from tests.reliability.fencing.crew import Refused, WorkerProcess

if TYPE_CHECKING:
    from tests.reliability.fencing.series import OpenStore, Series

COPIES_MAX = 2
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'agentlog'"


class Fault(NamedTuple):
    """What happens, and in which series it can."""

    strike: Callable[[Series], Awaitable[None]]
    fits: Callable[[Series], bool] = lambda series: True
    weight: float = 1.0


async def nothing(series: Series) -> None:
    """Agents alone."""


async def pause(series: Series) -> None:
    """A writer is stopped at any instant; the others finish; it wakes up."""
    worker = await _at_an_instant(series)
    worker.pause()
    await _others_finish(series, worker)
    worker.resume()


async def pause_and_cut(series: Series) -> None:
    """As `pause`; meanwhile the server ends every connection, the sleeper's as well."""
    worker = await _at_an_instant(series)
    worker.pause()
    await series.sql(CUT)
    await _others_finish(series, worker)
    worker.resume()


async def cut(series: Series) -> None:
    """The server ends every connection."""
    for _ in range(series.chance.randint(1, 2)):
        await _at_an_instant(series)
        await series.sql(CUT)


async def stop_holding_the_lock(series: Series) -> None:
    """A writer stops itself in the middle of a write to its directory, holding the lock."""
    store = _any(series)
    await store.ask("arm", stop_after=series.chance.randrange(12))
    load = series.loads[store.name]
    while not store.worker.is_stopped():
        if load.done():
            await store.ask("disarm")  # nothing more is written there
            return
        await asyncio.sleep(0.005)
    series.counts["writers stopped while they held the lock"] += 1
    await asyncio.sleep(0.2)
    store.worker.resume()


async def kill(series: Series) -> None:
    """A process is killed; another one opens the same directories."""
    worker = await _at_an_instant(series)
    await worker.kill()
    await worker.start()
    await asyncio.gather(*(series.open(store) for store in series.stores if store.worker is worker))


async def reopen(series: Series) -> None:
    """A store is closed when its agents are done, and opened again while the others append."""
    store = _any(series)
    await series.loads[store.name]
    await store.ask("close")
    await series.open(store)


async def fork(series: Series) -> None:
    """A process forks in the middle of its work; the child finds everything refused, or opens its own."""
    for _ in range(series.chance.randint(1, 2)):
        store = _any(series)
        await asyncio.sleep(series.chance.uniform(0, 0.05))
        wrong = await store.ask("fork", opens=series.chance.random() < 0.5)
        if wrong:
            series.failures.append(f"in a forked child: {wrong}")


async def verify(series: Series) -> None:
    """Somebody verifies while all write: no false alarm."""
    for finding in await _any(series).ask("verify"):
        series.failures.append(f"false alarm while others write: {finding}")


async def rebuild(series: Series) -> None:
    """Somebody folds all projections anew while all write."""
    for finding in await _any(series).ask("rebuild"):
        series.failures.append(f"a rebuild while others write found a difference: {finding}")


async def copy(series: Series) -> None:
    """A data directory is copied while it is written to; the copy joins as one more host."""
    store = await _store_at_an_instant(series)
    target = series.folder / f"copy{series.counts['directories copied']}"
    process = await asyncio.create_subprocess_exec("cp", "-r", str(store.data), str(target))
    await process.wait()
    series.counts["directories copied"] += 1
    other = _any(series)
    joining = type(store)(
        f"{series.schema}.{target.name}", other.worker, target, other.arguments | {"in_thread": False}
    )
    try:
        await series.open(joining)
    except Refused as refused:
        if refused.name not in ("Damaged", "CopiesDisagree"):
            raise
        # Files of different moments: what HEAD promised may be missing. That is said, and nothing lost.
        series.counts["copies refused as inconsistent"] += 1
        return
    series.stores.append(joining)


async def replace(series: Series) -> None:
    """A data directory is moved or deleted under its writers, who may sleep meanwhile, and comes back."""
    store = await _store_at_an_instant(series)
    series.directory_was_away = True
    data, aside = store.data, store.data.with_suffix(".aside")
    workers = {other.worker.number: other.worker for other in series.stores if other.data == data}
    asleep = series.chance.random() < 0.5
    for worker in workers.values():
        if asleep:
            worker.pause()
    data.rename(aside)
    await asyncio.sleep(series.chance.uniform(0, 0.1))
    match series.chance.choice(["moved back", "restored", "copied back"]):
        case "moved back":
            aside.rename(data)
        case "restored":
            await restore_segments(data, series.postgres, settings=Settings(schema=series.schema))
        case "copied back":
            copied = data.with_suffix(".copied")
            await asyncio.to_thread(shutil.copytree, aside, copied)
            copied.rename(data)
    for worker in workers.values():
        if asleep:
            worker.resume()
    series.counts["directories moved, deleted or restored"] += 1
    shutil.rmtree(aside, ignore_errors=True)


def _any(series: Series) -> OpenStore:
    return series.chance.choice(series.stores)


async def _store_at_an_instant(series: Series) -> OpenStore:
    await asyncio.sleep(series.chance.uniform(0, 0.1))
    return _any(series)


async def _at_an_instant(series: Series) -> WorkerProcess:
    """Return somebody's process, after a while in which the others got on."""
    return (await _store_at_an_instant(series)).worker


async def _others_finish(series: Series, worker: WorkerProcess) -> None:
    """Wait for everybody else, but not for long: they may wait for the sleeper."""
    own = {store.name for store in series.stores if store.worker is worker}
    others = [load for name, load in series.loads.items() if name not in own]
    with suppress(TimeoutError):
        async with asyncio.timeout(0.4):
            await asyncio.wait(others) if others else None


FAULTS: dict[str, Fault] = {
    "nothing": Fault(nothing),
    "pause": Fault(pause),
    "pause and cut": Fault(pause_and_cut),
    "cut": Fault(cut),
    "stop holding the lock": Fault(stop_holding_the_lock),
    "kill": Fault(kill, weight=0.3),  # a process takes a second to start
    "reopen": Fault(reopen),
    "fork": Fault(fork),
    "verify": Fault(verify),
    "rebuild": Fault(rebuild),
    "copy": Fault(copy, lambda series: len({store.data for store in series.stores}) < 4 + COPIES_MAX),
    "replace": Fault(replace),
}
