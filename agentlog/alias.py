"""Other names for sessions: keys of before a migration, of other systems. Nothing follows them by itself.

An alias is a stream of its own, so it never touches a session that happens to have the same key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentlog.checks import check_key, check_kind, check_limit
from agentlog.scope import Scope
from eventlog.command import MAX_EVENTS_PER_COMMAND, Command, Receipt
from eventlog.envelope import check_stream
from eventlog.errors import BadInput
from eventlog.events import SESSION, SESSION_ALIAS, AliasEvent, AliasRemoved, AliasSet
from projections.alias import Alias


def decide_set(session: str, alias: Alias | None) -> Sequence[AliasEvent]:
    """What stands already is not said again."""
    return [] if alias is not None and alias.session == session else [AliasSet(session)]


def decide_remove(reason: str | None, alias: Alias | None) -> Sequence[AliasEvent]:
    """Removing twice is removing once; so is removing what never was."""
    return [] if alias is None or alias.session is None else [AliasRemoved(reason)]


class Aliases:
    """The aliases of the sessions a store may name."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def resolve(self, alias: str, *, tenant: str | None = None) -> str | None:
        """Return the key of the session that an alias stands for, None when it stands for none."""
        stream = self._scope.stream(SESSION_ALIAS, alias, tenant)
        rows = await self._scope.fetch("alias", stream.tenant, alias, of=stream)
        return rows[0]["session"] if rows else None

    async def set(
        self, alias: str, session: str, *, meta: dict[str, Any] | None = None, tenant: str | None = None
    ) -> Receipt | None:
        """Let an alias stand for a session, whatever it stood for before; None when it did already.

        The session need not be there. Raises BadIdentifier when either can be no key.
        """
        stream = self._scope.stream(SESSION_ALIAS, alias, tenant)
        check_stream(stream.tenant, SESSION, session)
        return await self._scope.decide(
            stream, ["aliases"], lambda known: decide_set(session, known), meta=meta
        )

    async def set_many(
        self, aliases: Mapping[str, str], *, meta: dict[str, Any] | None = None, tenant: str | None = None
    ) -> Receipt | None:
        """Set several aliases: all of them or none. None when there are none.

        Args:
            aliases: from alias to session key; at most 10,000.
        """
        check_kind(aliases, Mapping, "aliases", "a dict: alias to session key")
        if len(aliases) > MAX_EVENTS_PER_COMMAND:
            raise BadInput(
                f"{len(aliases):,} aliases are over the limit of {MAX_EVENTS_PER_COMMAND:,}",
                hint="set them in several calls",
            )
        events = []
        for alias, session in aliases.items():
            stream = self._scope.stream(SESSION_ALIAS, alias, tenant)
            check_stream(stream.tenant, SESSION, session)
            events.append(self._scope.new(stream, AliasSet(session), meta))
        return await self._scope.log.append(Command(events)) if events else None

    async def remove(
        self,
        alias: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Let an alias stand for nothing; None when it did already."""
        stream = self._scope.stream(SESSION_ALIAS, alias, tenant)
        return await self._scope.decide(
            stream, ["aliases"], lambda known: decide_remove(reason, known), meta=meta
        )

    async def list(
        self,
        *,
        session: str | None = None,
        limit: int = 100,
        after: str | None = None,
        tenant: str | None = None,
    ) -> dict[str, str]:
        """Return a page of aliases, in order of their names: alias to session key.

        Args:
            session: only those of that session.
            limit: 1 to 1,000.
            after: the last alias of the page before; it need not exist any more.
        """
        owner = self._scope.owner(tenant)
        check_limit(limit)
        check_key(session, "session")
        check_key(after, "after")
        rows = await self._scope.fetch("aliases", owner, session, after, limit)
        return {row["key"]: row["session"] for row in rows}
