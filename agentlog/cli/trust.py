"""`agentlog verify` and `agentlog receipt`: whether everything is what it should be, and was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress, progress
from agentlog.cli.running import FINE, WRONG, check_exists, configured, finish, with_store
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.store import Store
    from replay.report import Finding


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(verify)
    app.command(receipt)


def receipt(*, marks: int = 64, options: Options = NO_OPTIONS) -> int:
    """Print a receipt of the log as it stands, one line of JSON: keep it where nobody can change it.

    It holds the position and the hash chain of the head, and of some positions before. Always of the
    whole log, whatever the tenant. `agentlog verify --against` proves later that nothing was changed.

    Parameters
    ----------
    marks
        Positions before the head that are noted as well, so that a rewritten history can be told where.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        output.line((await store.replay.receipt(marks)).to_json().decode())
        return FINE

    return with_store(options, work, whole=True)


def verify(
    *,
    against: Path | None = None,
    depth: Literal["full", "quick"] = "full",
    options: Options = NO_OPTIONS,
) -> int:
    """Compare segments, Postgres, hash chain, projections, archive and schema: all of the log.

    Prints each thing that is wrong and exits with status 1; changes nothing. Always the whole log,
    whatever the tenant.

    Parameters
    ----------
    against
        File with a receipt: prove as well that history up to there is unchanged, in both copies.
    depth
        quick reads no event: heads, counts, and the chain where segments begin and end.
    """

    return finish(_verify(options, against, depth))


async def _verify(options: Options, path: Path | None, depth: Literal["full", "quick"]) -> int:
    import agentlog
    from agentlog.errors import AgentlogError, EmbeddedPostgresError, LogUnavailable
    from agentlog.servers import verify_closed
    from replay.receipt import load_receipt

    configuration = configured(options)
    check_exists(configuration)
    against = load_receipt(path) if path is not None else None
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
            found = await verify_closed(configuration, bars.step, against)
            return report(found, output, refusal=str(error))
        async with store:
            found = await store.verify(bars.step, depth=depth, against=against)
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
