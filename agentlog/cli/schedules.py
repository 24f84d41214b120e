"""`agentlog schedule …`: schedules, which put items into a queue at their ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from agentlog.cli.options import NO_OPTIONS, Options, PageLimit, Reason
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, known, with_store
from agentlog.cli.show import Output
from agentlog.cli.values import read_json

if TYPE_CHECKING:
    from agentlog.store import Store

COLUMNS = (
    "id", "cron", "time_zone", "session", "paused", "next_tick", "due_at", "last_tick", "fired", "skipped",
    "description",
)  # fmt: skip
# A terminal has room for fewer.
COLUMNS_FOR_PEOPLE = ("id", "cron", "time_zone", "paused", "next_tick", "last_tick", "fired")
POLICIES = ("priority", "catch_up", "catch_up_max", "late_s", "overlap", "jitter_s", "last_item", "body")

schedule = App(name="schedule", help="Schedules: list, set, pause, resume, fire, delete, and their file.")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(schedule)


@schedule.command
def ls(
    *,
    limit: PageLimit = 50,
    after: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """List schedules, in order of their ids.

    Parameters
    ----------
    after
        Go on after that one: the last one of the page before.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.schedule.list(limit=limit, after=after)
        columns = COLUMNS_FOR_PEOPLE if output.people else COLUMNS
        output.table(columns, [[getattr(one, name) for name in columns] for one in found])
        return FINE

    return with_store(options, work)


@schedule.command
def status(*, options: Options = NO_OPTIONS) -> int:
    """Count schedules, those that are paused and those that are due, and what they did."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        output.record(await store.schedule.status())
        return FINE

    return with_store(options, work)


@schedule.command
def show(id: str, /, *, ticks: int = 3, options: Options = NO_OPTIONS) -> int:
    """Print a schedule and its next ticks; exit status 1 when there is none.

    Parameters
    ----------
    id
        Of the schedule.
    ticks
        How many of its next ticks.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = known(await store.schedule.get(id), "schedule", id)
        values: dict[str, Any] = {name: getattr(found, name) for name in (*COLUMNS, *POLICIES)}
        values["ticks"] = [tick.isoformat() for tick in await store.schedule.upcoming(id, ticks)]
        output.record(values)
        return FINE

    return with_store(options, work)


@schedule.command(name="set")
def set_schedule(
    id: str,
    cron: str,
    body: str,
    /,
    *,
    session: str | None = None,
    time_zone: str = "UTC",
    priority: int = 0,
    catch_up: str = "once",
    catch_up_max: int = 10,
    late: Annotated[float, Parameter(name="--late-s")] = 60.0,
    overlap: str = "allow",
    jitter: Annotated[float, Parameter(name="--jitter-s")] = 0.0,
    description: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Set a schedule; everything it was before is replaced, but paused it stays.

    Parameters
    ----------
    id
        Of the schedule.
    cron
        Five fields, or a name such as @daily.
    body
        What each tick puts into the queue: JSON; anything else is taken as text.
    session
        Key of the session whose queue it is; without it, for whoever comes.
    time_zone
        In which the fields are read, such as Europe/Berlin.
    priority
        Of the queue items.
    catch_up
        What becomes of late ticks: skip, once or all.
    catch_up_max
        At most so many of them, with all.
    late
        A tick this many seconds after its time is late.
    overlap
        What becomes of a tick while the work of the one before is not done: allow, skip or replace.
    jitter
        Fire up to so many seconds after the time of a tick.
    description
        For people.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        await store.schedule.set(
            id, cron, read_json(body), session=session, time_zone=time_zone, priority=priority,
            catch_up=catch_up, catch_up_max=catch_up_max, late_s=late, overlap=overlap, jitter_s=jitter,
            description=description,
        )  # fmt: skip
        found = await store.schedule.get(id)
        output.record({"id": id, "next_tick": None if found is None else found.next_tick})
        return FINE

    return with_store(options, work, create=True)


@schedule.command
def pause(id: str, /, *, reason: Reason = None, options: Options = NO_OPTIONS) -> int:
    """Let a schedule have no ticks.

    Parameters
    ----------
    id
        Of the schedule.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return _said(output, id, await store.schedule.pause(id, reason))

    return with_store(options, work)


@schedule.command
def resume(id: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Let a schedule have ticks again, those from now on.

    Parameters
    ----------
    id
        Of the schedule.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return _said(output, id, await store.schedule.resume(id))

    return with_store(options, work)


@schedule.command
def delete(id: str, /, *, reason: Reason = None, options: Options = NO_OPTIONS) -> int:
    """Take a schedule away. The log keeps what it was.

    Parameters
    ----------
    id
        Of the schedule.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return _said(output, id, await store.schedule.delete(id, reason))

    return with_store(options, work)


@schedule.command
def fire(id: str | None = None, /, *, options: Options = NO_OPTIONS) -> int:
    """Fire what is due, or have one schedule's work done now, out of turn.

    Parameters
    ----------
    id
        Of the schedule to be done out of turn, also when it is paused.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        if id is not None:
            rows: list[list[Any]] = [[id, None, await store.schedule.trigger(id)]]
        else:
            rows = [[one.schedule, one.tick, one.item] for one in await store.schedule.fire()]
        output.table(("schedule", "tick", "item"), rows)
        return FINE

    return with_store(options, work)


def _said(output: Output, id: str, receipt: Any) -> int:
    output.record({"id": id, "changed": receipt is not None})
    return FINE
