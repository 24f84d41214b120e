"""`agentlog tail`: the end of the log, and what comes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, with_store
from agentlog.cli.show import Output, escape_json, visible

if TYPE_CHECKING:
    from agentlog.store import Store
    from eventlog.envelope import Event

DATA_CHARACTERS_MAX = 160


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(tail)


def tail(
    *,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="")] = False,
    count: Annotated[int, Parameter(name=["--count", "-n"])] = 10,
    after: int | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Print the last events of the log, one per line. --json prints them as they stand in it.

    Parameters
    ----------
    follow
        Go on with what comes, until Ctrl-C.
    count
        Look at the last so many positions.
    after
        Begin after this position instead; 0 prints everything.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        head = (await store.log.head()).position
        start = max(0, head - count) if after is None else after
        if follow:
            async for event in store.log.subscribe(start):
                output.line(line(event, output.json))
                sys.stdout.flush()
        async for block in store.log.read(start):
            for event in block:
                output.line(line(event, output.json))
        return FINE

    return with_store(options, work)


def line(event: Event, json: bool) -> str:
    """Return an event as one line: the log's own, or the same for people, shortened."""
    from eventlog.envelope import encode_line, unplaced

    if json:
        whole = encode_line(unplaced(event), event.position, event.version, event.time)
        return escape_json(whole.decode().rstrip("\n"))
    data = bytes(event.data).decode()
    if len(data) > DATA_CHARACTERS_MAX:
        data = data[:DATA_CHARACTERS_MAX] + "…"
    owner = f"{event.tenant}/" if event.tenant else ""
    stream = f"{owner}{event.stream.kind}/{event.stream.key}@{event.version}"
    return visible(f"{event.position} {event.time} {event.type} {stream} ") + visible(data)
