"""`agentlog task …`: work with retries, schedules and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from agentlog.cli.options import (
    NO_OPTIONS,
    Flag,
    IfPending,
    LeaseTime,
    Limit,
    Options,
    OwnId,
    PageLimit,
    Reason,
    Result,
    TimeToLive,
    Token,
)
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, known, with_store
from agentlog.cli.show import Output
from agentlog.cli.values import read_json

if TYPE_CHECKING:
    from agentlog.store import Store

COLUMNS = (
    "id", "queue", "session", "status", "priority", "run_at", "expires_at", "lane", "worker", "attempts",
    "retries", "retries_max", "releases", "turn", "merged", "notified", "reason", "token", "enqueued_time",
    "last_time",
)  # fmt: skip
# A terminal has room for fewer.
COLUMNS_FOR_PEOPLE = ("id", "status", "queue", "retries", "worker", "enqueued_time")

task = App(name="task", help="Tasks: list, show, enqueue, claim, complete, fail, cancel, revive.")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(task)


@task.command
def ls(
    *,
    session: str | None = None,
    status: str | None = None,
    limit: PageLimit = 50,
    after: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """List tasks, the oldest first.

    Parameters
    ----------
    session
        Only those of that session.
    status
        Only those that are pending, running, completed, dead, cancelled or expired.
    after
        Go on after that task: the last one of the page before.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.tasks.list(session=session, status=status, limit=limit, after=after)
        columns = COLUMNS_FOR_PEOPLE if output.people else COLUMNS
        output.table(columns, [[getattr(one, name) for name in columns] for one in found])
        return FINE

    return with_store(options, work)


@task.command
def show(id: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Show a task with its messages, its last reply and its result.

    Parameters
    ----------
    id
        Of the task.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = known(await store.tasks.get(id), "task", id)
        names = (*COLUMNS, "messages", "reply", "result")
        output.record({name: getattr(found, name) for name in names})
        return FINE

    return with_store(options, work)


@task.command
def enqueue(
    messages: str,
    /,
    *,
    queue: str = "default",
    session: str | None = None,
    priority: int = 0,
    delay: Annotated[float, Parameter(name="--delay-s")] = 0.0,
    ttl: TimeToLive = None,
    unique: Flag = False,
    merge: Flag = False,
    retries: int = 3,
    id: OwnId = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Enqueue a task and print its id; of the one that waits already, when it is unique or was merged.

    Parameters
    ----------
    messages
        A JSON array; anything else is taken as its one element.
    queue
        Which workers it is for.
    session
        Key of the session it belongs to.
    priority
        Higher goes first.
    delay
        Not before so many seconds have passed.
    ttl
        When it still waits after so many seconds, it expires.
    unique
        Not when one of that session with the same messages waits.
    merge
        Its messages join the task of that session that waits, if there is one.
    retries
        Failures after which it is tried again; then it is dead.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        made = await store.tasks.enqueue(
            read_messages(messages), queue=queue, session=session, priority=priority, delay_s=delay,
            ttl_s=ttl, unique=unique, merge=merge, retries_max=retries, id=id,
        )  # fmt: skip
        output.record({"id": made}) if output.json else output.say(made)
        return FINE

    return with_store(options, work, create=True)


@task.command
def claim(
    worker: str,
    /,
    *,
    queue: str = "default",
    limit: Limit = 1,
    lease: LeaseTime = 300.0,
    options: Options = NO_OPTIONS,
) -> int:
    """Claim tasks for a worker and print them with their tokens and messages.

    Parameters
    ----------
    worker
        Name of who claims.
    queue
        Only tasks of that queue.
    lease
        After so many seconds without a word they return to whoever comes.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.tasks.claim(worker, queue=queue, limit=limit, lease_s=lease)
        columns = ("id", "token", "session", "retries", "turn", "messages")
        output.table(columns, [[getattr(one, name) for name in columns] for one in found])
        return FINE

    return with_store(options, work)


@task.command
def complete(id: str, token: Token, /, *, result: Result = None, options: Options = NO_OPTIONS) -> int:
    """Say that a task was done.

    Parameters
    ----------
    id
        Of the task.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        outcome = None if result is None else read_json(result)
        receipt = await store.tasks.complete(await store.tasks.held(id, token), outcome)
        output.record({"id": id, "status": "completed", "changed": receipt is not None})
        return FINE

    return with_store(options, work)


@task.command
def fail(id: str, token: Token, /, *, reason: Reason = None, options: Options = NO_OPTIONS) -> int:
    """Say that a task failed: it is tried again later, or dead when it has no retries left.

    Parameters
    ----------
    id
        Of the task.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.tasks.fail(await store.tasks.held(id, token), reason)
        known = await store.tasks.get(id)
        output.record({"id": id, "status": known and known.status, "changed": receipt is not None})
        return FINE

    return with_store(options, work)


@task.command
def cancel(
    id: str,
    /,
    *,
    reason: Reason = None,
    if_pending: IfPending = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Say that nobody is going to do a task.

    Parameters
    ----------
    id
        Of the task.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.tasks.cancel(id, reason, if_pending=if_pending)
        output.record({"id": id, "status": "cancelled", "changed": receipt is not None})
        return FINE

    return with_store(options, work)


@task.command
def revive(id: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Let a finished task wait again, with all its retries.

    Parameters
    ----------
    id
        Of the task.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.tasks.revive(id)
        output.record({"id": id, "status": "pending", "changed": receipt is not None})
        return FINE

    return with_store(options, work)


@task.command
def status(*, session: str | None = None, options: Options = NO_OPTIONS) -> int:
    """Count tasks by status.

    Parameters
    ----------
    session
        Only those of that session.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        output.record(await store.tasks.status(session))
        return FINE

    return with_store(options, work)


def read_messages(text: str) -> list[Any]:
    """Return the list a text is; what is none is the one element of a list."""
    import msgspec

    body = read_json(text)
    if isinstance(body, msgspec.Raw) and bytes(body).lstrip().startswith(b"["):
        return msgspec.json.decode(body, type=list[msgspec.Raw])
    return [body]
