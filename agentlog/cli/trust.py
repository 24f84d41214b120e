"""`agentlog verify`: whether everything is what it should be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import progress
from agentlog.cli.running import FINE, WRONG, check_exists, configured, finish
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from replay.report import Finding


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(verify)


def verify(*, options: Options = NO_OPTIONS) -> int:
    """Compare segments, Postgres, hash chain, projections, archive and schema: all of the log.

    Prints each thing that is wrong and exits with status 1; changes nothing. Always the whole log,
    whatever the tenant.
    """

    return finish(_verify(options))


async def _verify(options: Options) -> int:
    import agentlog
    from agentlog.errors import AgentlogError, EmbeddedPostgresError, LogUnavailable
    from agentlog.store import verify_closed

    configuration = configured(options)
    check_exists(configuration)
    output = Output(options.json)
    with progress() as bars:
        try:
            store = await agentlog.open(
                configuration.data, postgres=configuration.postgres, tenant="",
                settings=configuration.settings, progress=bars.say,
            )  # fmt: skip
        except (LogUnavailable, EmbeddedPostgresError):
            raise
        except AgentlogError as error:
            # Damage is why a store does not open; verify is how one learns all of it.
            found = await verify_closed(configuration, bars.step)
            return report(found, output, refusal=str(error))
        async with store:
            found = await store.verify(bars.step)
            head = await store.log.head()
    return report(found, output, position=head.position, chain=head.chain.hex())


def report(
    findings: Sequence[Finding], output: Output, *, refusal: str = "", position: int = 0, chain: str = ""
) -> int:
    """Show what verify found and return the exit status. `refusal`: why the store does not open."""
    import msgspec

    wrong = bool(findings or refusal)
    if output.json:
        listed = [msgspec.structs.asdict(finding) for finding in findings]
        document = {"verified": not wrong, "position": position, "chain": chain, "findings": listed}
        output.document(document | ({"refusal": refusal} if refusal else {}))
        return WRONG if wrong else FINE
    if refusal:
        output.say(f"the store does not open: {refusal}")
    for finding in findings:
        output.say(str(finding))
    if wrong:
        output.say(f"{len(findings):,} findings")
    else:
        output.say(f"verified: {position:,} events, chain {chain[:16]}…")
    return WRONG if wrong else FINE
