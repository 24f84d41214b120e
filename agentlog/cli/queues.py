"""`agentlog queue …`: items that wait for a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.options import (
    NO_OPTIONS,
    IfPending,
    LeaseTime,
    Limit,
    Options,
    OwnId,
    PageLimit,
    Reason,
    Result,
    Token,
)
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, known, with_store
from agentlog.cli.show import Output
from agentlog.cli.values import read_json

if TYPE_CHECKING:
    from agentlog.store import Store

COLUMNS = (
    "id", "session", "status", "priority", "worker", "attempts", "token", "merged", "operation", "reason",
    "enqueued_time", "processed_time", "last_time",
)  # fmt: skip
# A terminal has room for fewer.
COLUMNS_FOR_PEOPLE = ("id", "session", "status", "worker", "enqueued_time")

queue = App(
    name="queue",
    help="Items that wait for a session: list, show, enqueue, claim, complete, fail, requeue, cancel.",
)


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(queue)


@queue.command
def ls(
    *,
    session: str | None = None,
    status: str | None = None,
    limit: PageLimit = 50,
    after: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """List items, the oldest first.

    Parameters
    ----------
    session
        Only those of that session.
    status
        Only those that are pending, claimed, completed, failed, cancelled, interrupted or rolled_back.
    after
        Go on after that item: the last one of the page before.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        items = await store.queue.list(session=session, status=status, limit=limit, after=after)
        columns = COLUMNS_FOR_PEOPLE if output.people else COLUMNS
        output.table(columns, [[getattr(item, name) for name in columns] for item in items])
        return FINE

    return with_store(options, work)


@queue.command(name="show")
def show_item(id: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Print an item with its bodies; exit status 1 when there is none.

    Parameters
    ----------
    id
        Of the item.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = known(await store.queue.get(id), "queue item", id)
        output.record({name: getattr(found, name) for name in (*COLUMNS, "lease_s", "bodies")})
        return FINE

    return with_store(options, work)


@queue.command
def enqueue(
    session: str,
    body: str,
    /,
    *,
    priority: int = 0,
    operation: str | None = None,
    when_busy: str = "enqueue",
    id: OwnId = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Put an item into the queue and print its id.

    Parameters
    ----------
    session
        Key of the session it waits for.
    body
        JSON; anything else is taken as text.
    priority
        Higher goes first.
    operation
        A word for what is to be done.
    when_busy
        What becomes of it when the session is busy: enqueue, reject, interrupt, rollback or merge.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        item = await store.queue.enqueue(
            session, read_json(body), priority=priority, operation=operation, when_busy=when_busy, id=id
        )
        output.record({"id": item}) if output.json else output.say(item)
        return FINE

    return with_store(options, work, create=True)


@queue.command
def claim(
    worker: str,
    /,
    *,
    session: str | None = None,
    limit: Limit = 1,
    lease: LeaseTime = 300.0,
    options: Options = NO_OPTIONS,
) -> int:
    """Claim items for a worker and print them with their tokens and bodies; one of each session at most.

    Parameters
    ----------
    worker
        Name of who claims.
    session
        Only items of that session.
    lease
        After so many seconds they return to whoever comes.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        items = await store.queue.claim(worker, session=session, limit=limit, lease_s=lease)
        columns = ("id", "token", "session", "priority", "attempts", "body")
        output.table(columns, [[getattr(item, name) for name in columns] for item in items])
        return FINE

    return with_store(options, work)


@queue.command
def complete(id: str, token: Token, /, *, result: Result = None, options: Options = NO_OPTIONS) -> int:
    """Say that an item was worked on.

    Parameters
    ----------
    id
        Of the item.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        outcome = None if result is None else read_json(result)
        receipt = await store.queue.complete(await store.queue.held(id, token), outcome)
        output.record({"id": id, "status": "completed", "changed": receipt is not None})
        return FINE

    return with_store(options, work)


@queue.command
def fail(id: str, token: Token, /, *, reason: Reason = None, options: Options = NO_OPTIONS) -> int:
    """Say that an item was worked on to no avail.

    Parameters
    ----------
    id
        Of the item.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.queue.fail(await store.queue.held(id, token), reason)
        output.record({"id": id, "status": "failed", "changed": receipt is not None})
        return FINE

    return with_store(options, work)


@queue.command
def requeue(id: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Let an item wait again that failed, was cancelled or was stopped.

    Parameters
    ----------
    id
        Of the item.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.queue.requeue(id)
        output.record({"id": id, "status": "pending", "changed": receipt is not None})
        return FINE

    return with_store(options, work)


@queue.command
def cancel(
    id: str,
    /,
    *,
    reason: Reason = None,
    if_pending: IfPending = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Say that nobody is going to work on an item.

    Parameters
    ----------
    id
        Of the item.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.queue.cancel(id, reason, if_pending=if_pending)
        output.record({"id": id, "status": "cancelled", "changed": receipt is not None})
        return FINE

    return with_store(options, work)


@queue.command
def status(*, session: str | None = None, options: Options = NO_OPTIONS) -> int:
    """Count items by status.

    Parameters
    ----------
    session
        Only those of that session.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        output.record(await store.queue.status(session))
        return FINE

    return with_store(options, work)
