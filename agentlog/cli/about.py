"""`agentlog version`, `agentlog status`."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, with_store
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.store import Store


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(status)
    app.command(version)


def release() -> str:
    """Return the release of agentlog."""
    from agentlog import __version__

    return __version__


def status(*, options: Options = NO_OPTIONS) -> int:
    """Where the log stands, how far this host's copy is, and how much there is."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        import msgspec

        output.record(msgspec.structs.asdict(await store.status()))
        return FINE

    return with_store(options, work)


def version(*, options: Options = NO_OPTIONS) -> int:
    """Releases of agentlog, Python and what they stand on."""
    from importlib.metadata import version as installed

    found = {"agentlog": release(), "python": sys.version.split()[0], "system": platform.platform()}
    found |= {name: installed(name) for name in ("asyncpg", "msgspec", "duckdb", "zstandard")}
    Output(options.json).record(found)
    return FINE
