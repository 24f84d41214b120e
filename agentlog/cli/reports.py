"""`agentlog report`: one page of charts about what the agents did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, check_folder, with_store
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.store import Store

DEFAULT_PATH = Path("report.html")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(report)


def report(
    path: Path = DEFAULT_PATH,
    /,
    *,
    since: str | None = None,
    until: str | None = None,
    session: str | None = None,
    title: str | None = None,
    svg: Annotated[Path | None, Parameter(name="--svg")] = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Write a page of charts: cost, tokens, sessions, hours, queue. It needs no network to be read.

    Parameters
    ----------
    path
        The HTML file; one that is there is replaced.
    since
        First day, for example 2026-11-01.
    until
        Last day, itself included.
    session
        Key of the session to be shown message by message; without it the costliest.
    title
        What the page is called.
    svg
        A directory, to write each chart into as a file of its own as well.
    """

    check_folder(path)

    async def work(store: Store, output: Output, progress: Progress) -> int:
        def tell(asked: int, of: int) -> None:
            progress.step("asking", asked, of)

        named = {} if title is None else {"title": title}
        written = await store.archive.report(
            path, since=since, until=until, session=session, svg=svg, progress=tell, **named
        )
        values: dict[str, object] = {
            "path": str(written.path), "bytes": written.bytes, "position": written.position,
        }  # fmt: skip
        if output.json or written.charts:
            values["charts"] = [str(chart) for chart in written.charts]
        output.record(values)
        return FINE

    return with_store(options, work)
