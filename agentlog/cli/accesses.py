"""`agentlog access …`: who may talk to an agent, and what an agent may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Options, PageLimit, Reason, TimeToLive
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, with_store
from agentlog.cli.show import Output
from agentlog.cli.values import read_json

if TYPE_CHECKING:
    from agentlog.access import AccessChange
    from agentlog.store import Store

PAIRING_COLUMNS = ("peer", "status", "code", "since_time", "expires_at")
PERMISSION_COLUMNS = ("agent", "app", "decision", "details", "granted_time", "expires_at")
CHANGE_COLUMNS = ("time", "type", "actor", "position", "data")

access = App(name="access", help="Pairings and permissions: list, approve, grant, take back, who did it.")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(access)


@access.command
def pairings(
    channel: str,
    /,
    *,
    status: str = "approved",
    limit: PageLimit = 50,
    after: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """List a channel's pairings, in order of the peers.

    Parameters
    ----------
    channel
        Which channel.
    status
        approved, or pending.
    after
        Go on after that peer: the last one of the page before.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.access.pairings(channel, status=status, limit=limit, after=after)
        output.table(PAIRING_COLUMNS, [[getattr(one, name) for name in PAIRING_COLUMNS] for one in found])
        return FINE

    return with_store(options, work)


@access.command
def approve(
    channel: str,
    peer: str,
    /,
    *,
    code: str | None = None,
    actor: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Let a peer talk on a channel.

    Parameters
    ----------
    channel
        Which channel.
    peer
        Who.
    code
        What the peer shows; without it you vouch for it.
    actor
        Who decides this.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.access.approve_pairing(channel, peer, code, meta=by(actor))
        output.record(
            {"channel": channel, "peer": peer, "status": "approved", "changed": receipt is not None}
        )
        return FINE

    return with_store(options, work)


@access.command
def remove(
    channel: str,
    peer: str,
    /,
    *,
    reason: Reason = None,
    actor: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Let a peer talk no more, or turn its request down.

    Parameters
    ----------
    channel
        Which channel.
    peer
        Who.
    actor
        Who decides this.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.access.remove_pairing(channel, peer, reason, meta=by(actor))
        output.record({"channel": channel, "peer": peer, "changed": receipt is not None})
        return FINE

    return with_store(options, work)


@access.command
def pairing(channel: str, peer: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Show all that happened to a pairing, and who did it.

    Parameters
    ----------
    channel
        Which channel.
    peer
        Who.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return changes(await store.access.pairing_history(channel, peer), output)

    return with_store(options, work)


@access.command
def permissions(
    agent: str | None = None,
    /,
    *,
    limit: PageLimit = 50,
    options: Options = NO_OPTIONS,
) -> int:
    """List what agents may do, in order of agent and app.

    Parameters
    ----------
    agent
        That agent alone.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.access.permissions(agent, limit=limit)
        rows = [[getattr(one, name) for name in PERMISSION_COLUMNS] for one in found]
        output.table(PERMISSION_COLUMNS, rows)
        return FINE

    return with_store(options, work)


@access.command
def grant(
    agent: str,
    app: str,
    decision: str,
    /,
    *,
    details: str | None = None,
    ttl: TimeToLive = None,
    actor: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Decide what an agent may do with an app.

    Parameters
    ----------
    agent
        Which agent.
    app
        With what.
    decision
        A word of your own, such as allow_always.
    details
        JSON that goes with it; anything else is taken as text.
    ttl
        The decision is over after so many seconds.
    actor
        Who decides this.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        more = None if details is None else read_json(details)
        await store.access.grant(agent, app, decision, details=more, ttl_s=ttl, meta=by(actor))
        output.record({"agent": agent, "app": app, "decision": decision})
        return FINE

    return with_store(options, work, create=True)


@access.command
def revoke(
    agent: str,
    app: str,
    /,
    *,
    reason: Reason = None,
    actor: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Take a decision back.

    Parameters
    ----------
    agent
        Which agent.
    app
        With what.
    actor
        Who decides this.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.access.revoke(agent, app, reason, meta=by(actor))
        output.record({"agent": agent, "app": app, "changed": receipt is not None})
        return FINE

    return with_store(options, work)


@access.command
def permission(agent: str, app: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Show all that was decided on an agent and an app, and by whom.

    Parameters
    ----------
    agent
        Which agent.
    app
        With what.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return changes(await store.access.permission_history(agent, app), output)

    return with_store(options, work)


def by(actor: str | None) -> dict[str, Any] | None:
    """Return the meta that names who did it."""
    return None if actor is None else {"actor": actor}


def changes(found: list[AccessChange], output: Output) -> int:
    """Show what happened, the oldest first."""
    output.table(CHANGE_COLUMNS, [[getattr(change, name) for name in CHANGE_COLUMNS] for change in found])
    return FINE
