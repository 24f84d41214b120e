"""`agentlog external …`: jobs that a provider works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from agentlog.cli.options import NO_OPTIONS, Flag, LeaseTime, Limit, Options, OwnId, PageLimit, Reason, Result
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, known, with_store
from agentlog.cli.show import Output
from agentlog.cli.values import read_json

if TYPE_CHECKING:
    from agentlog.external_changes import Job
    from agentlog.store import Store

COLUMNS = (
    "id", "provider", "session", "external_id", "status", "delivery", "act_at", "worker", "polls",
    "deliveries", "timeout_at", "enqueued_time", "last_time", "reason",
)  # fmt: skip
# A terminal has room for fewer.
COLUMNS_FOR_PEOPLE = ("id", "provider", "status", "delivery", "act_at", "polls", "deliveries")
CLAIMED = ("id", "token", "provider", "external_id", "polls", "deliveries", "claim_until")

external = App(
    name="external", help="Jobs at providers: list, enqueue, claim, complete, fail, cancel, delete, clean up."
)


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(external)


def show(output: Output, jobs: list[Job]) -> int:
    """Print jobs as a table."""
    columns = COLUMNS_FOR_PEOPLE if output.people else COLUMNS
    output.table(columns, [[getattr(one, name) for name in columns] for one in jobs])
    return FINE


def show_claimed(output: Output, jobs: list[Job], *content: str) -> int:
    """Print what was claimed, with what a worker needs."""
    columns = (*CLAIMED, *content)
    output.table(columns, [[getattr(one, name) for name in columns] for one in jobs])
    return FINE


def said(output: Output, id: str, receipt: Any) -> int:
    """Say whether a call changed something."""
    output.record({"id": id, "changed": receipt is not None})
    return FINE


@external.command
def ls(
    *,
    session: str | None = None,
    status: str | None = None,
    limit: PageLimit = 50,
    after: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """List jobs, the oldest first.

    Parameters
    ----------
    session
        Only those of that session.
    status
        Only those that are pending, polling, completed, failed, timed_out or cancelled.
    after
        Go on after that job: the last one of the page before.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return show(
            output, await store.external.list(session=session, status=status, limit=limit, after=after)
        )

    return with_store(options, work)


@external.command
def status(*, options: Options = NO_OPTIONS) -> int:
    """Count jobs by status, and ends by what became of their delivery."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        output.record(await store.external.status())
        return FINE

    return with_store(options, work)


@external.command(name="show")
def show_job(id: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Print a job with its request, progress and result; exit status 1 when there is none.

    Parameters
    ----------
    id
        Of the job.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = known(await store.external.get(id), "external job", id)
        columns = (*COLUMNS, "token", "claim_until", "deliveries_unknown", "request", "progress", "result")
        output.record({name: getattr(found, name) for name in columns})
        return FINE

    return with_store(options, work)


@external.command
def due(
    *,
    limit: PageLimit = 50,
    options: Options = NO_OPTIONS,
) -> int:
    """List what is to be polled, delivered or timed out now. Claims nothing."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return show(output, await store.external.due(limit=limit))

    return with_store(options, work)


@external.command
def enqueue(
    provider: str,
    request: str,
    /,
    *,
    id: OwnId = None,
    session: str | None = None,
    external_id: str | None = None,
    poll_interval: Annotated[float, Parameter(name="--poll-interval-s")] = 10.0,
    timeout: Annotated[float, Parameter(name="--timeout-s")] = 86400.0,
    callback: Flag = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Say that a provider was given a job, and print its id.

    Parameters
    ----------
    provider
        Who works on it.
    request
        What was asked for: JSON; anything else is taken as text.
    session
        Key of the session that waits for it.
    external_id
        What the provider calls it.
    poll_interval
        Seconds from one poll to the next.
    timeout
        Seconds after which nobody waits any more.
    callback
        Print a token as well, with which the provider can end the job.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        made = await store.external.enqueue(
            provider, read_json(request), id=id, session=session, external_id=external_id,
            poll_interval_s=poll_interval, timeout_s=timeout, callback=callback,
        )  # fmt: skip
        if callback or output.json:
            output.record({"id": made.id, "callback_token": made.callback_token})
        else:
            output.say(made.id)
        return FINE

    return with_store(options, work, create=True)


@external.command
def claim_polls(
    worker: str,
    /,
    *,
    limit: Limit = 1,
    lease: LeaseTime = 60.0,
    options: Options = NO_OPTIONS,
) -> int:
    """Claim jobs whose provider is to be asked now, and print them with their requests and tokens.

    Parameters
    ----------
    worker
        Name of who polls.
    lease
        Nobody else polls them for so many seconds.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        jobs = await store.external.claim_polls(worker, limit=limit, lease_s=lease)
        return show_claimed(output, jobs, "request", "progress")

    return with_store(options, work)


@external.command
def polled(
    id: str,
    token: int,
    /,
    *,
    progress: str | None = None,
    poll_in: Annotated[float | None, Parameter(name="--poll-in-s")] = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Say that the provider is still at work.

    Parameters
    ----------
    id
        Of the job.
    token
        As `external claim-polls` printed it.
    progress
        What the provider said: JSON; anything else is taken as text.
    poll_in
        Ask again after so many seconds.
    """

    async def work(store: Store, output: Output, bars: Progress) -> int:
        known = None if progress is None else read_json(progress)
        held = await store.external.held(id, token)
        return said(output, id, await store.external.polled(held, known, poll_in_s=poll_in))

    return with_store(options, work)


@external.command
def complete(id: str, token: int, /, *, result: Result = None, options: Options = NO_OPTIONS) -> int:
    """Say that the provider did it.

    Parameters
    ----------
    id
        Of the job.
    token
        As `external claim-polls` printed it.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        value = None if result is None else read_json(result)
        held = await store.external.held(id, token)
        return said(output, id, await store.external.complete(held, value))

    return with_store(options, work)


@external.command
def fail(id: str, token: int, /, *, reason: Reason = None, options: Options = NO_OPTIONS) -> int:
    """Say that the provider will not do it.

    Parameters
    ----------
    id
        Of the job.
    token
        As `external claim-polls` printed it.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        held = await store.external.held(id, token)
        return said(output, id, await store.external.fail(held, reason))

    return with_store(options, work)
