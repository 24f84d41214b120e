"""`agentlog external …`, the end of it: delivering, calling back, cancelling, deleting, cleaning up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from agentlog.cli.external_jobs import external, said, show_claimed
from agentlog.cli.options import NO_OPTIONS, LeaseTime, Limit, Options, Reason, Result
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, with_store
from agentlog.cli.show import Output
from agentlog.cli.values import read_json

if TYPE_CHECKING:
    from agentlog.store import Store


def register(app: App) -> None:
    """Add the commands of this file to those of `external`."""
    for command in (claim_deliveries, delivered, callback, cancel, delete, cleanup):
        external.command(command)


def claim_deliveries(
    worker: str,
    /,
    *,
    limit: Limit = 1,
    lease: LeaseTime = 60.0,
    options: Options = NO_OPTIONS,
) -> int:
    """Claim jobs whose end is to be delivered now, and print them with their results and tokens.

    Parameters
    ----------
    worker
        Name of who delivers.
    lease
        Nobody else delivers them for so many seconds.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        jobs = await store.external.claim_deliveries(worker, limit=limit, lease_s=lease)
        return show_claimed(output, jobs, "session", "status", "result", "reason", "deliveries_unknown")

    return with_store(options, work)


def delivered(
    id: str,
    token: int,
    /,
    *,
    failed: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Say that a delivery arrived, or why it did not.

    Parameters
    ----------
    id
        Of the job.
    token
        As `external claim-deliveries` printed it.
    failed
        Why it did not arrive: it is tried again.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        held = await store.external.held(id, token)
        if failed is None:
            return said(output, id, await store.external.delivered(held))
        return said(output, id, await store.external.delivery_failed(held, failed))

    return with_store(options, work)


def callback(
    token: str,
    /,
    *,
    result: Result = None,
    failed: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """End the job that a callback token is for.

    Parameters
    ----------
    token
        As `external enqueue --callback` printed it.
    failed
        Why the provider will not do it.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        value = None if result is None else read_json(result)
        receipt = await store.external.call_back(token, result=value, failed=failed)
        output.record({"changed": receipt is not None})
        return FINE

    return with_store(options, work)


def cancel(id: str, /, *, reason: Reason = None, options: Options = NO_OPTIONS) -> int:
    """Say that nobody wants the result any more.

    Parameters
    ----------
    id
        Of the job.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return said(output, id, await store.external.cancel(id, reason))

    return with_store(options, work)


def delete(id: str, /, *, reason: Reason = None, options: Options = NO_OPTIONS) -> int:
    """Take a job away, in whatever state. The log keeps it.

    Parameters
    ----------
    id
        Of the job.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return said(output, id, await store.external.delete(id, reason))

    return with_store(options, work)


def cleanup(
    *,
    retention: Annotated[float, Parameter(name="--retention-s")] = 604800.0,
    options: Options = NO_OPTIONS,
) -> int:
    """Delete what ended, needs no delivery any more, and has been so for a time.

    Parameters
    ----------
    retention
        For so many seconds; a week.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        output.record({"deleted": await store.external.cleanup(retention)})
        return FINE

    return with_store(options, work)
