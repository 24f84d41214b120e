"""`agentlog replay rebuild`: projections compared with the log and put right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, WRONG, with_store
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.store import Store

replay = App(name="replay", help="Fold the log again.")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(replay)


@replay.command
def rebuild(*tables: str, options: Options = NO_OPTIONS) -> int:
    """Fold the whole log beside the live tables, compare, and put right what differs.

    Exit status 1 when something differed; it is right now. Writers go on meanwhile. Always the
    whole log, whatever the tenant.

    Parameters
    ----------
    tables
        Names of projection tables; without any, all of them.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        import msgspec

        report = await store.rebuild(tables, progress.step)
        rate = round(report.events / report.seconds) if report.seconds else 0
        values = msgspec.structs.asdict(report) | {"events_per_s": rate}
        if output.json:
            values["differences"] = [msgspec.structs.asdict(found) for found in report.differences]
            output.document(values)
        else:
            rows = values.pop("rows")
            values["differences"] = len(report.differences)
            for name in ("seconds", "gate_seconds"):
                values[name] = f"{values[name]:.3f}"
            output.record(values)
            output.table(("table", "rows"), list(rows.items()))
            for found in report.differences:
                output.say(f"put right: {found}")
        return WRONG if report.differences else FINE

    return with_store(options, work, whole=True)
