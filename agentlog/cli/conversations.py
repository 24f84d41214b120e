"""`agentlog sessions rewind / clear / pop / heads`: what is in view. Nothing is lost by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, with_store
from agentlog.cli.sessions import readable, sessions
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.message import Message
    from agentlog.store import Store

COLUMNS = ("message_id", "version", "role", "time", "content")


def register(app: App) -> None:
    """Add the commands of this file to those of sessions."""
    for command in (heads, rewind, pop, clear):
        sessions.command(command)


def heads(session: str, /, *, options: Options = NO_OPTIONS) -> int:
    """List the ends of a conversation's branches: the messages that no other one follows.

    Parameters
    ----------
    session
        Its key.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        _show(await store.conversation.heads(session), output)
        return FINE

    return with_store(options, work)


def rewind(
    session: str, message: str | None = None, /, *, reason: str | None = None, options: Options = NO_OPTIONS
) -> int:
    """Let a conversation go on after one of its messages; what came after it leaves the view.

    Parameters
    ----------
    session
        Its key.
    message
        Id of the message; without it from the start.
    reason
        For people.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        await store.conversation.rewind(session, message, reason)
        return FINE

    return with_store(options, work)


def pop(
    session: str,
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-n"])] = 1,
    options: Options = NO_OPTIONS,
) -> int:
    """Take a conversation's last messages out of view, and print them.

    Parameters
    ----------
    session
        Its key.
    count
        How many.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        _show(await store.conversation.pop(session, count), output)
        return FINE

    return with_store(options, work)


def clear(session: str, /, *, reason: str | None = None, options: Options = NO_OPTIONS) -> int:
    """Take all messages out of view, without a new generation.

    Parameters
    ----------
    session
        Its key.
    reason
        For people.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        await store.conversation.clear(session, reason)
        return FINE

    return with_store(options, work)


def _show(messages: list[Message], output: Output) -> None:
    if output.json:
        for message in messages:
            output.document(message.asdict())
        return
    rows = [(m.message_id, m.version, m.role, m.occurred_at or m.time, readable(m.content)) for m in messages]
    output.table(COLUMNS, rows)
