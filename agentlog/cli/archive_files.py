"""`agentlog archive …`: the Parquet files: how they are, building, merging, comparing, making again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.archives import archive
from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, WRONG, with_store
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.store import Store


def register(app: App) -> None:
    """Add the commands of this file to the group that `archives.py` registered."""
    for command in (status, build, compact, check, rebuild):
        archive.command(command)


def status(*, options: Options = NO_OPTIONS) -> int:
    """Say how far the Parquet files reach, how many they are, and what they take."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        import msgspec

        output.record(msgspec.structs.asdict(await store.archive.status()))
        return FINE

    return with_store(options, work, whole=True)


def build(*, options: Options = NO_OPTIONS) -> int:
    """Write Parquet files for everything so far. Answers are the same without; quicker with."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        def tell(position: int, until: int) -> None:
            progress.step("archiving", position, until)

        output.record({"archive_position": await store.archive.build(tell)})
        return FINE

    return with_store(options, work, whole=True)


def compact(*, options: Options = NO_OPTIONS) -> int:
    """Merge small Parquet files into larger ones, so that one session is in few of them."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        def tell(done: int, total: int) -> None:
            progress.step("merging", done, total)

        output.record({"ranges_fewer": await store.archive.compact(tell)})
        return FINE

    return with_store(options, work, whole=True)


def check(*, options: Options = NO_OPTIONS) -> int:
    """Compare every row of the Parquet files with the log. Takes about as long as building them."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        findings = await store.archive.check()
        for finding in findings:
            if output.json:
                output.document(finding)
            else:
                output.say(str(finding))
        if findings:
            output.say("`agentlog archive rebuild` makes these again from the log")
            return WRONG
        output.say("the archive is what the log says")
        return FINE

    return with_store(options, work, whole=True)


def rebuild(*, options: Options = NO_OPTIONS) -> int:
    """Make Parquet files again from the log where they are not what it says; `verify` names them."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        def tell(position: int, until: int) -> None:
            progress.step("archiving", position, until)

        output.record({"ranges_made_again": await store.archive.rebuild(tell)})
        return FINE

    return with_store(options, work, whole=True)
