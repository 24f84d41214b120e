"""`agentlog verify`: whether everything is what it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, WRONG, with_store
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.store import Store


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(verify)


def verify(*, options: Options = NO_OPTIONS) -> int:
    """Compare segments, Postgres, hash chain, projections, archive and schema: all of the log.

    Prints each thing that is wrong and exits with status 1; changes nothing. Always the whole log,
    whatever the tenant.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        import msgspec

        findings = await store.verify(progress.step)
        head = await store.log.head()
        if output.json:
            listed = [msgspec.structs.asdict(finding) for finding in findings]
            output.document({"verified": not findings, "position": head.position, "findings": listed})
        else:
            for finding in findings:
                output.say(str(finding))
            if findings:
                output.say(f"{len(findings):,} findings in a log of {head.position:,} events")
            else:
                output.say(f"verified: {head.position:,} events, chain {head.chain.hex()[:16]}…")
        return WRONG if findings else FINE

    return with_store(options, work, whole=True)
