"""`agentlog schedule …`, what goes on: firing for ever, and the file in which people edit schedules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Interval, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, check_folder, with_store
from agentlog.cli.schedules import schedule
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.store import Store


def register(app: App) -> None:
    """Add the commands of this file to those of `schedule`."""
    schedule.command(take_over, name="import")
    for command in (run, export, watch):
        schedule.command(command)


def run(
    *,
    interval: Interval = 1.0,
    options: Options = NO_OPTIONS,
) -> int:
    """Fire what is due until it is stopped, and print each tick. Run it on as many hosts as you like."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        async for one in store.schedule.run(interval_s=interval):
            output.table(("schedule", "tick", "item"), [[one.schedule, one.tick, one.item]])
        return FINE

    return with_store(options, work)


def export(path: Path, /, *, options: Options = NO_OPTIONS) -> int:
    """Write the schedules into a JSON5 file that is not there yet.

    Parameters
    ----------
    path
        Of the file.
    """

    if path.exists():
        from agentlog.errors import BadInput

        raise BadInput(f"{path} is there already", hint="`agentlog schedule import` takes it over")
    check_folder(path)

    async def work(store: Store, output: Output, progress: Progress) -> int:
        file = await store.schedule.keep_file(path)
        output.record({"path": str(file.path), "schedules": (await store.schedule.status())["schedules"]})
        return FINE

    return with_store(options, work)


def take_over(path: Path, /, *, options: Options = NO_OPTIONS) -> int:
    """Take over what somebody edited in a file, all of it or nothing, and write it anew.

    Parameters
    ----------
    path
        Of the file.
    """

    if not path.exists():
        from agentlog.errors import BadInput

        raise BadInput(f"there is no file {path}", hint="`agentlog schedule export` writes one")

    async def work(store: Store, output: Output, progress: Progress) -> int:
        done = await store.schedule.sync_file(path)
        output.record({"changed": done.changed, "deleted": done.deleted})
        return FINE

    return with_store(options, work, create=True)


def watch(
    path: Path,
    /,
    *,
    interval: Interval = 1.0,
    options: Options = NO_OPTIONS,
) -> int:
    """Keep a file equal to the schedules until it is stopped: take over edits, write what changed elsewhere.

    Parameters
    ----------
    path
        Of the file; written when it is not there.
    """

    check_folder(path)

    async def work(store: Store, output: Output, progress: Progress) -> int:
        file = await store.schedule.keep_file(path)
        output.say(f"watching {file.path}")
        await file.watch(interval_s=interval)
        return FINE

    return with_store(options, work, create=True)
