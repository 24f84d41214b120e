"""`agentlog migrate-from s0`: another store's database into the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.importing import show_move
from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, WRONG, with_store
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.store import Store

migrate_from = App(name="migrate-from", help="Move another store's database into the log.")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(migrate_from)


@migrate_from.command
def s0(dsn: str, /, *, prefix: str = "claude_", options: Options = NO_OPTIONS) -> int:
    """Move a Postgres session store into the log: sessions, messages, summaries, plans, todos, queue.

    Nothing is changed there. Again is harmless: what the log has is left out. Rows that become no
    event are copied to the quarantine directory and listed; exit status 1 then.

    Parameters
    ----------
    dsn
        postgresql:// URL of its database.
    prefix
        Of its tables' names.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        from agentlog.configuration import check_url

        check_url(dsn)
        summary = await store.migrate_from_s0(
            dsn, prefix=prefix, progress=lambda done, total: progress.step("sessions", done, total)
        )
        show_move(summary, output)
        return WRONG if summary.rejected else FINE

    return with_store(options, work, create=True, whole=True)
