"""`agentlog plan …`: what an agent means to do, and how that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Flag, Options, PageLimit
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, known, with_store
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.store import Store

TODO_COLUMNS = ("status", "content", "id", "plan_id", "created_at", "started_at", "completed_at")
# A terminal has room for fewer.
TODO_COLUMNS_FOR_PEOPLE = ("status", "content", "started_at", "completed_at")
PLAN_COLUMNS = (
    "plan_id",
    "status",
    "name",
    "created_at",
    "approved_at",
    "started_at",
    "completed_at",
    "error",
)

plan = App(name="plan", help="Things to do and plans of a session, as they stand and as they changed.")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(plan)


@plan.command
def todos(session: str, /, *, history: str | None = None, options: Options = NO_OPTIONS) -> int:
    """Show a session's list of things to do, or how one of them changed.

    Parameters
    ----------
    session
        Its key.
    history
        Id of one todo or, where it has none, its content: how it changed.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        columns = TODO_COLUMNS_FOR_PEOPLE if output.people else TODO_COLUMNS
        if history is None:
            found = await store.plan.todos(session)
            output.table(columns, [[getattr(todo, name) for name in columns] for todo in found])
            return FINE
        rows = [
            [change.time, change.position, *[getattr(change.todo, name, None) for name in columns]]
            for change in await store.plan.todo_history(session, history)
        ]
        output.table(("time", "position", *columns), rows)
        return FINE

    return with_store(options, work)


@plan.command
def ls(
    session: str,
    /,
    *,
    limit: PageLimit = 50,
    after: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """List a session's plans, the newest first.

    Parameters
    ----------
    session
        Its key.
    after
        Go on after that plan: the last one of the page before.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        plans = await store.plan.list(session, limit=limit, after=after)
        output.table(PLAN_COLUMNS, [[getattr(one, name) for name in PLAN_COLUMNS] for one in plans])
        return FINE

    return with_store(options, work)


@plan.command
def show(
    session: str,
    /,
    *,
    plan: str | None = None,
    history: Flag = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Show a session's plan; exit status 1 when it has none.

    Parameters
    ----------
    session
        Its key.
    plan
        Id of the plan; without it the current one.
    history
        Show what happened to it instead.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.plan.get(session, plan)
        named = plan if found is None else found.plan_id
        changes = await store.plan.history(session, named) if history and named else []
        if changes:
            rows = [(change.time, change.type, change.position, change.data) for change in changes]
            output.table(("time", "type", "position", "data"), rows)
        else:
            what = f"plan {plan!r} of session" if plan else "current plan of session"
            output.record(msgspec.structs.asdict(known(found, what, session)))
        return FINE

    return with_store(options, work)
