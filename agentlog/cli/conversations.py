"""`agentlog sessions heads / rewind / pop / clear / compactions / summaries`: what is in view, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from agentlog.cli.options import NO_OPTIONS, Options, Reason
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, with_store
from agentlog.cli.sessions import readable, sessions, unknown
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.conversation import Compaction, Summary
    from agentlog.message import Message
    from agentlog.store import Store

COLUMNS = ("message_id", "version", "role", "time", "content")
COMPACTION_COLUMNS = ("number", "time", "trigger", "tokens_before", "tokens_after", "tokens_saved",
                      "messages_before", "messages_after", "summary")  # fmt: skip
SUMMARY_COLUMNS = ("number", "time", "trigger", "leaf_id", "summary")


def register(app: App) -> None:
    """Add the commands of this file to those of sessions."""
    for command in (heads, rewind, pop, clear, compactions, summaries):
        sessions.command(command)


def heads(session: str, /, *, options: Options = NO_OPTIONS) -> int:
    """List the ends of a conversation's branches: the messages that no other one follows.

    Parameters
    ----------
    session
        Its key.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        _show(await store.conversation.heads(session) or await none_of(store, session), output)
        return FINE

    return with_store(options, work)


def rewind(
    session: str, message: str | None = None, /, *, reason: Reason = None, options: Options = NO_OPTIONS
) -> int:
    """Let a conversation go on after one of its messages; what came after it leaves the view.

    Parameters
    ----------
    session
        Its key.
    message
        Id of the message; without it from the start.
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


def clear(session: str, /, *, reason: Reason = None, options: Options = NO_OPTIONS) -> int:
    """Take all messages out of view, without a new generation.

    Parameters
    ----------
    session
        Its key.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        await store.conversation.clear(session, reason)
        return FINE

    return with_store(options, work)


def compactions(session: str, /, *, options: Options = NO_OPTIONS) -> int:
    """List a session's compactions, the oldest first: what each hid, and what it saved.

    Parameters
    ----------
    session
        Its key.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.conversation.compactions(session)
        _list(found or await none_of(store, session), COMPACTION_COLUMNS, output)
        return FINE

    return with_store(options, work)


def summaries(session: str, /, *, options: Options = NO_OPTIONS) -> int:
    """List a session's summaries, by compactions and others, the oldest first.

    Parameters
    ----------
    session
        Its key.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.conversation.summaries(session)
        _list(found or await none_of(store, session), SUMMARY_COLUMNS, output)
        return FINE

    return with_store(options, work)


async def none_of(store: Store, session: str) -> list[Any]:
    """Return an empty list; raise NotFound where there is not even the session."""
    if await store.sessions.get(session, deleted=True) is None:
        raise unknown(session)
    return []


def _list(found: Sequence[Compaction | Summary], columns: Sequence[str], output: Output) -> None:
    if output.json:
        for one in found:
            output.document(one)
        return
    output.table(columns, [[getattr(one, name) for name in columns] for one in found])


def _show(messages: list[Message], output: Output) -> None:
    if output.json:
        for message in messages:
            output.document(message.asdict())
        return
    rows = [(m.message_id, m.version, m.role, m.occurred_at or m.time, readable(m.content)) for m in messages]
    output.table(COLUMNS, rows)
