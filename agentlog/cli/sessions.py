"""`agentlog sessions …`: sessions as they stand, and what ends them. Aliases are aliases.py's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from agentlog.cli.options import NO_OPTIONS, At, Flag, Options, PageLimit, Reason, TimeToLive
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, with_store
from agentlog.cli.show import Output, to_json, visible, visible_lines
from agentlog.cli.values import moment

if TYPE_CHECKING:
    from agentlog.errors import NotFound
    from agentlog.message import Message
    from agentlog.store import Store

COLUMNS = ("session", "state", "title", "model", "generation", "messages", "output_tokens", "last_time")
# A terminal has room for fewer.
COLUMNS_FOR_PEOPLE = ("session", "title", "state", "messages", "last_time")

sessions = App(
    name="sessions",
    help="Sessions as they stand: list, look at one, read its window, write to it, end, delete.",
)


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(sessions)


@sessions.command
def ls(
    *,
    state: str | None = None,
    type: str | None = None,
    parent: str | None = None,
    created_from: datetime | None = None,
    created_before: datetime | None = None,
    limit: PageLimit = 50,
    after: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """List sessions, the newest first.

    Parameters
    ----------
    state
        Only those in this state; "*" shows the deleted ones as well.
    type
        Only those of that type.
    parent
        Only children of that session.
    created_from
        Only those that began then or later; UTC unless it says otherwise.
    created_before
        Only those that began before.
    after
        Go on after that session: the last one of the page before.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.sessions.list(
            state=state,
            session_type=type,
            parent=parent,
            created_from=in_utc(created_from),
            created_before=in_utc(created_before),
            limit=limit,
            after=after,
        )
        if output.json:
            for session in found:
                output.document(session)
            return FINE
        rows = [
            (s.key, s.state, s.title, s.model, s.generation, s.message_count, s.output_tokens, s.last_time)
            for s in found
        ]
        if output.people:
            places = [COLUMNS.index(name) for name in COLUMNS_FOR_PEOPLE]
            output.table(COLUMNS_FOR_PEOPLE, [[row[place] for place in places] for row in rows])
        else:
            output.table(COLUMNS, rows)
        return FINE

    return with_store(options, work)


@sessions.command
def create(
    session: str,
    /,
    *,
    title: str | None = None,
    type: str | None = None,
    parent: str | None = None,
    ttl: TimeToLive = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Begin a session, or bring back a deleted one with all it held.

    Parameters
    ----------
    session
        Its key.
    title
        For people.
    type
        A word such as main or subagent.
    parent
        Key of the session it comes from: it is deleted with that one.
    ttl
        It expires so many seconds from now.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        given = {"title": title, "session_type": type, "parent": parent}
        attributes: Any = {name: value for name, value in given.items() if value is not None}
        receipt = await store.sessions.create(session, ttl_s=ttl, **attributes)
        output.record({"session": session, "position": receipt.first_position})
        return FINE

    return with_store(options, work, create=True)


@sessions.command
def show(session: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Show all that is known of one session, deleted ones too.

    Parameters
    ----------
    session
        Its key.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        import msgspec

        found = await store.sessions.get(session, deleted=True)
        if found is None:
            raise unknown(session)
        values = msgspec.structs.asdict(found)
        status = await store.conversation.status(session)
        values |= {name: getattr(status, name) for name in ("last_role", "last_message_id", "summary")}
        values["todos"] = [msgspec.structs.asdict(todo) for todo in await store.plan.todos(session)]
        if not output.json:
            values = {name: value for name, value in values.items() if value not in (None, [], "")}
        output.record(values)
        return FINE

    return with_store(options, work)


@sessions.command
def load(
    session: str,
    /,
    *,
    last: Annotated[int | None, Parameter(name=["--last", "-n"])] = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Print a session's active window: its messages since the last compaction or generation.

    Parameters
    ----------
    session
        Its key.
    last
        Only so many, the newest.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        messages = await store.conversation.load(session, last)
        if not messages and await store.sessions.get(session, deleted=True) is None:
            raise unknown(session)
        for message in messages:
            if output.json:
                output.document(message.asdict())
            else:
                output.line(heading(message, output.people))
                output.line(visible_lines(readable(message.content)) + "\n")
        return FINE

    return with_store(options, work)


@sessions.command
def end(session: str, /, *, reason: Reason = None, options: Options = NO_OPTIONS) -> int:
    """Say that a session is over. Its messages stay.

    Parameters
    ----------
    session
        Its key.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        await store.sessions.end(session, reason)
        return FINE

    return with_store(options, work)


@sessions.command
def delete(session: str, /, *, reason: Reason = None, options: Options = NO_OPTIONS) -> int:
    """Take a session and all that came from it out of sight. Log and archive keep them.

    Parameters
    ----------
    session
        Its key.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        await store.sessions.delete(session, reason)
        return FINE

    return with_store(options, work)


@sessions.command
def cleanup(
    *,
    retention_days: float = 30.0,
    all_tenants: Flag = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Delete sessions that are past their expiry, and those without one that nobody used for long.

    Parameters
    ----------
    retention_days
        How long nothing must have happened in a session that has no expiry of its own.
    all_tenants
        Those of every tenant.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        count = await store.sessions.cleanup(retention_days=retention_days, all_tenants=all_tenants)
        output.record({"deleted": count})
        return FINE

    return with_store(options, work)


def in_utc(time: datetime | None) -> datetime | None:
    """Return a time as it was typed; in UTC where it names no zone."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


@sessions.command
def fork(
    session: str,
    new: str,
    /,
    *,
    at: At = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Begin a new session with the history that another one had at a moment.

    Each of its events notes whose copy it is; its parent is the other session, which stays as it is.

    Parameters
    ----------
    session
        Key of the session whose history it gets.
    new
        Key of the new session.
    at
        A position of the log, or a time such as 2026-11-22T07:44:36Z; without it now.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.replay.fork(session, new, **moment(at))
        version = next(iter(receipt.versions.values()))
        output.record({"session": new, "events": version, "last_position": receipt.last_position})
        return FINE

    return with_store(options, work)


def unknown(session: str) -> NotFound:
    """Return the error for a key that no session has."""
    from agentlog.errors import NotFound

    return NotFound(f"there is no session {session!r}", hint="`agentlog sessions ls` lists them", key=session)


def heading(message: Message, people: bool) -> str:
    """Return the line above a message."""
    parts = [f"[{message.version}]", message.role, message.occurred_at or message.time]
    parts += [message.model] if message.model else []
    text = visible(" ".join(parts))
    return f"\x1b[1m{text}\x1b[0m" if people else text


def readable(content: Any) -> str:
    """Return content as text: what is said as it is, everything else as JSON."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return "" if content is None else to_json(content)
    blocks = []
    for block in content:
        text = block.get("text", block.get("thinking")) if isinstance(block, dict) else block
        blocks.append(text if isinstance(text, str) else to_json(block))
    return "\n".join(blocks)
