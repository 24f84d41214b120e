"""`agentlog doctor`: what is wrong here, and what to do."""

from __future__ import annotations

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import progress
from agentlog.cli.running import FINE, WRONG, configured, finish
from agentlog.cli.show import Output, visible


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(doctor)


def doctor(*, options: Options = NO_OPTIONS) -> int:
    """Look at Python, the data directory, Postgres, the schema, the segments and the clock.

    One line per thing: fine, or what is wrong and what to do. Changes nothing. Exit status 1 when
    something is wrong.
    """
    return finish(_doctor(options))


async def _doctor(options: Options) -> int:
    from agentlog.doctor import examine

    output = Output(options.json)
    status = FINE
    with progress() as bars:
        async for check in examine(configured(options), bars.say):
            if not check.ok:
                status = WRONG
            if output.json:
                output.document(check)
                continue
            mark = "ok   " if check.ok else "WRONG"
            # Messages of errors end with their own advice.
            advice = "" if check.ok or check.found.endswith(check.advice) else f"; {check.advice}"
            output.line(f"{mark}  {check.name:<20}{visible(check.found)}{visible(advice)}")
    return status
