"""`agentlog sessions alias …`: other names for sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli import conversations
from agentlog.cli.options import NO_OPTIONS, Options, PageLimit
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, with_store
from agentlog.cli.sessions import sessions
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.store import Store

alias = App(name="alias", help="Other names for sessions: list, resolve, set, remove.")


def register(app: App) -> None:
    """Add the commands of this file, and those of conversations.py, to those of sessions."""
    sessions.command(alias)
    conversations.register(app)


@alias.command
def ls(
    *,
    session: str | None = None,
    limit: PageLimit = 50,
    after: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """List aliases in the order of their names.

    Parameters
    ----------
    session
        Only those of that session.
    after
        Go on after that alias: the last one of the page before.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.sessions.aliases.list(session=session, limit=limit, after=after)
        output.table(("alias", "session"), list(found.items()))
        return FINE

    return with_store(options, work)


@alias.command
def resolve(name: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Print the session that an alias stands for.

    Parameters
    ----------
    name
        The alias.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        from agentlog.errors import NotFound

        session = await store.sessions.aliases.resolve(name)
        if session is None:
            raise NotFound(
                f"there is no alias {name!r}", hint="`agentlog sessions alias ls` lists them", key=name
            )
        output.record({"session": session}) if output.json else output.say(session)
        return FINE

    return with_store(options, work)


@alias.command(name="set")
def set_alias(name: str, session: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Let an alias stand for a session, whatever it stood for before.

    Parameters
    ----------
    name
        The alias.
    session
        Key of the session.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        await store.sessions.aliases.set(name, session)
        return FINE

    return with_store(options, work, create=True)


@alias.command
def remove(name: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Let an alias stand for nothing.

    Parameters
    ----------
    name
        The alias.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        await store.sessions.aliases.remove(name)
        return FINE

    return with_store(options, work)
