"""`agentlog replay …`: projections put right, and what stood in the log at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, At, Flag, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, WRONG, with_store
from agentlog.cli.show import Output, visible
from agentlog.cli.values import moment, read_moment

if TYPE_CHECKING:
    from agentlog.store import Store
    from eventlog.envelope import Event
    from replay.state import Change

replay = App(name="replay", help="Fold the log again: put tables right, look into the past.")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(replay)


@replay.command
def rebuild(
    *tables: str,
    kind: str = "session",
    key: str | None = None,
    only_tenant: Flag = False,
    jobs: int | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Fold the whole log beside the live tables, compare, and put right what differs.

    Exit status 1 when something differed; it is right now. Writers go on meanwhile. Always the
    whole log, whatever the tenant, unless --key or --only-tenant says otherwise. One that was killed
    goes on where it was, when it is begun again within an hour.

    Parameters
    ----------
    tables
        Names of projection tables; without any, all of them.
    kind
        Kind of the one stream of --key.
    key
        Rows of one stream alone.
    only_tenant
        Rows of the tenant of --tenant alone.
    jobs
        Processes that fold at once, 1 to 64, of the whole log. Default: one for 100,000 events or more.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        import msgspec

        if key is not None:
            report = await store.replay.rebuild(kind, key, projections=tables, progress=progress.step)
        elif only_tenant:
            report = await store.replay.rebuild(projections=tables, progress=progress.step)
        else:
            report = await store.rebuild(tables, progress.step, jobs=jobs)
        rate = round(report.events / report.seconds) if report.seconds else 0
        values = msgspec.structs.asdict(report) | {"events_per_s": rate}
        if output.json:
            values["differences"] = [msgspec.structs.asdict(found) for found in report.differences]
            output.document(values)
        else:
            rows = values.pop("rows")
            values["differences"] = len(report.differences)
            for name in ("seconds", "gate_seconds"):
                values[name] = f"{values[name]:.3f}"
            output.record(values)
            output.table(("table", "rows"), list(rows.items()))
            for found in report.differences:
                output.say(f"put right: {found}")
        return WRONG if report.differences else FINE

    return with_store(options, work, whole=key is None and not only_tenant)


@replay.command
def state(kind: str, key: str, /, *, at: At = None, options: Options = NO_OPTIONS) -> int:
    """Show what one thing was at a moment: every row that it had in the projection tables.

    Parameters
    ----------
    kind
        Kind of its stream: session, queue_item …
    key
        Its key.
    at
        A position of the log, or a time such as 2026-11-22T07:44:36Z; without it now.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        import msgspec

        found = await store.replay.state(kind, key, **moment(at))
        if output.json:
            output.document(msgspec.structs.asdict(found) | {"stream": found.stream._asdict()})
            return FINE
        for table, rows in found.tables.items():
            for row in rows:
                output.record({name: value for name, value in row.items() if value is not None}, title=table)
        return FINE

    return with_store(options, work)


@replay.command
def blame(session: str, /, *, kind: str = "session", at: At = None, options: Options = NO_OPTIONS) -> int:
    """Show which event last changed each field of a session, and what its maker noted.

    Parameters
    ----------
    session
        Its key.
    kind
        Of something else than a session: the kind of its stream.
    at
        As of a position of the log, or of a time; without it now.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.replay.blame(kind, session, **moment(at))
        columns = ("table", "field", "value", "position", "version", "type", "time", "meta")
        output.table(columns, [list(one) for one in found])
        return FINE

    return with_store(options, work)


@replay.command
def diff(
    before: str,
    after: str | None = None,
    /,
    *,
    kind: str = "session",
    key: str | None = None,
    other: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Show what changed from one moment to a later one, field by field. Exit status 1 when something did.

    Parameters
    ----------
    before
        A position of the log, or a time such as 2026-11-22T07:44:36Z.
    after
        A later one; without it now.
    kind
        Kind of the one stream of --key.
    key
        Of one stream alone; without it of everything that changed.
    other
        Compare the thing of --key at the first moment with this one of the same kind at the second.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = False
        if other is not None and key is not None:
            old = await store.replay.state(kind, key, **moment(before))
            new = await store.replay.state(kind, other, **moment(after))
            for change in store.replay.compare(old, new):
                show_change(change, output)
                found = True
            return WRONG if found else FINE
        one = {"kind": kind, "key": key} if key is not None else {}
        async for change in store.replay.diff(
            read_moment(before), None if after is None else read_moment(after), **one
        ):
            show_change(change, output)
            found = True
        return WRONG if found else FINE

    return with_store(options, work)


@replay.command
def step(
    session: str,
    /,
    *,
    kind: str = "session",
    after: int = 0,
    options: Options = NO_OPTIONS,
) -> int:
    """Play a session forward: each of its events, and below it what that changed.

    Parameters
    ----------
    session
        Its key.
    kind
        Of something else than a session: the kind of its stream.
    after
        Begin behind that version of the stream.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        async for one in store.replay.step(kind, session, after=after):
            if output.json:
                output.document({"event": place(one.event), "changes": [_plain(c) for c in one.changes]})
                continue
            event = one.event
            output.line(visible(f"[{event.version}] position {event.position} {event.time} {event.type}"))
            for change in one.changes:
                output.line("    " + visible(str(change)))
        return FINE

    return with_store(options, work)


def show_change(change: Change, output: Output) -> None:
    """Show one field that is another one."""
    output.document(_plain(change)) if output.json else output.line(visible(str(change)))


def place(event: Event) -> dict[str, Any]:
    """Return an event's place and name."""
    return {name: getattr(event, name) for name in ("position", "version", "type", "time", "id")}


def _plain(change: Change) -> dict[str, Any]:
    return change._asdict() | {"stream": change.stream._asdict()}
