"""The embedded store twice: as its semantics say, in memory, and as its user would write it here.

Of the semantics that are meant: keys that share a prefix stay apart, and generations never start over. Tasks,
provider jobs and cron have programs of their own. Holds no test.
"""

from __future__ import annotations

from typing import Any, Protocol

import agentlog
from agentlog.errors import NotFound

Archived = tuple[int, int, Any]  # seq, generation, message


class EmbeddedStore(Protocol):
    """What the store offers, by its own names."""

    async def append_message(self, key: str, message: dict[str, Any]) -> int: ...
    async def load_messages(self, key: str) -> list[Any]: ...
    async def new_generation(self, key: str) -> int: ...
    async def get_session_meta(self, key: str) -> tuple[int, int] | None: ...
    async def delete_session(self, key: str) -> None: ...
    async def list_sessions(self) -> list[str]: ...
    async def archive_load(self, key: str, generation: int | None) -> list[Archived]: ...
    async def archive_stat(self, key: str) -> tuple[int, int | None, int | None, list[int]]: ...
    async def kv_get(self, key: str) -> str | None: ...
    async def kv_set(self, key: str, value: str) -> None: ...
    async def kv_delete(self, key: str) -> None: ...
    async def put_pairing(self, channel: str, peer: str, code: str | None) -> None: ...
    async def get_pairing(self, channel: str, peer: str) -> str | None: ...
    async def delete_pairing(self, channel: str, peer: str) -> None: ...
    async def list_pairings(self, channel: str) -> list[str]: ...
    async def permission_put(self, agent: str, app: str, decision: str) -> None: ...
    async def permission_get(self, agent: str, app: str) -> str | None: ...
    async def permission_delete(self, agent: str, app: str) -> None: ...
    async def permission_list_all(self) -> list[tuple[str, str, str]]: ...
    async def put_session_aliases(self, aliases: dict[str, str]) -> None: ...
    async def resolve_session_alias(self, alias: str) -> str | None: ...
    async def load_all_aliases(self) -> dict[str, str]: ...


class Meant:
    """In memory, as the store is meant. Generations count from 1, as there."""

    def __init__(self) -> None:
        self.generation: dict[str, int] = {}
        self.alive: set[str] = set()
        self.window: dict[str, list[Any]] = {}
        self.archive: dict[str, list[Archived]] = {}
        self.values: dict[str, str] = {}
        self.pairings: dict[tuple[str, str], str] = {}
        self.grants: dict[tuple[str, str], str] = {}
        self.aliases: dict[str, str] = {}

    def _seq(self, key: str) -> int:
        current = self.generation[key]
        return sum(generation == current for _, generation, _ in self.archive.get(key, []))

    async def append_message(self, key: str, message: dict[str, Any]) -> int:
        self.alive.add(key)
        self.generation.setdefault(key, 1)
        seq = self._seq(key)
        self.window.setdefault(key, []).append(message)
        self.archive.setdefault(key, []).append((seq, self.generation[key], message))
        return seq

    async def load_messages(self, key: str) -> list[Any]:
        return list(self.window.get(key, []))

    async def new_generation(self, key: str) -> int:
        self.alive.add(key)
        self.generation[key] = self.generation.get(key, 1) + 1
        self.window[key] = []
        return self.generation[key]

    async def get_session_meta(self, key: str) -> tuple[int, int] | None:
        return (self._seq(key), self.generation[key]) if key in self.alive else None

    async def delete_session(self, key: str) -> None:
        self.alive.discard(key)
        self.window[key] = []

    async def list_sessions(self) -> list[str]:
        return sorted(self.alive)

    async def archive_load(self, key: str, generation: int | None) -> list[Archived]:
        return [row for row in self.archive.get(key, []) if generation in (None, row[1])]

    async def archive_stat(self, key: str) -> tuple[int, int | None, int | None, list[int]]:
        rows = self.archive.get(key, [])
        seqs = [seq for seq, _, _ in rows] or [None]
        return len(rows), min(seqs), max(seqs), sorted({row[1] for row in rows})  # type: ignore[type-var]

    async def kv_get(self, key: str) -> str | None:
        return self.values.get(key)

    async def kv_set(self, key: str, value: str) -> None:
        self.values[key] = value

    async def kv_delete(self, key: str) -> None:
        self.values.pop(key, None)

    async def put_pairing(self, channel: str, peer: str, code: str | None) -> None:
        self.pairings[channel, peer] = "approved" if code is None else code

    async def get_pairing(self, channel: str, peer: str) -> str | None:
        return self.pairings.get((channel, peer))

    async def delete_pairing(self, channel: str, peer: str) -> None:
        self.pairings.pop((channel, peer), None)

    async def list_pairings(self, channel: str) -> list[str]:
        return sorted(p for (c, p), state in self.pairings.items() if c == channel and state == "approved")

    async def permission_put(self, agent: str, app: str, decision: str) -> None:
        self.grants[agent, app] = decision

    async def permission_get(self, agent: str, app: str) -> str | None:
        return self.grants.get((agent, app))

    async def permission_delete(self, agent: str, app: str) -> None:
        self.grants.pop((agent, app), None)

    async def permission_list_all(self) -> list[tuple[str, str, str]]:
        return sorted((*names, decision) for names, decision in self.grants.items())

    async def put_session_aliases(self, aliases: dict[str, str]) -> None:
        self.aliases |= aliases

    async def resolve_session_alias(self, alias: str) -> str | None:
        return self.aliases.get(alias)

    async def load_all_aliases(self) -> dict[str, str]:
        return dict(sorted(self.aliases.items()))


class OnAgentlog:
    """As somebody writes it who moved here: a few lines for each call. Generations begin with 0 here."""

    def __init__(self, store: agentlog.Store) -> None:
        self.store = store

    async def append_message(self, key: str, message: dict[str, Any]) -> int:
        # There an append brought a deleted session back; here somebody says so.
        found = await self.store.sessions.get(key, deleted=True)
        if found is not None and found.state == "deleted":
            await self.store.sessions.create(key)
        return (await self.store.conversation.append(key, message)).seq

    async def load_messages(self, key: str) -> list[Any]:
        if not await self.store.sessions.exists(key):
            return []
        return [found.message for found in await self.store.conversation.load(key)]

    async def new_generation(self, key: str) -> int:
        if not await self.store.sessions.exists(key):
            await self.store.sessions.create(key)
        return await self.store.archive.new_generation(key) + 1

    async def get_session_meta(self, key: str) -> tuple[int, int] | None:
        session = await self.store.sessions.get(key)
        if session is None:
            return None
        rows = await self.archive_load(key, session.generation + 1)
        return len(rows), session.generation + 1

    async def delete_session(self, key: str) -> None:
        if await self.store.sessions.exists(key):
            await self.store.conversation.clear(key)
            await self.store.sessions.delete(key)

    async def list_sessions(self) -> list[str]:
        return sorted(session.key for session in await self.store.sessions.list(limit=1000))

    async def archive_load(self, key: str, generation: int | None) -> list[Archived]:
        try:
            answer = await self.store.archive.head(key, 100_000)
        except NotFound:
            return []
        return [
            (row["seq"], row["generation"] + 1, {"role": row["role"], "content": row["text"]})
            for row in answer.dicts()
            if generation in (None, row["generation"] + 1)
        ]

    async def archive_stat(self, key: str) -> tuple[int, int | None, int | None, list[int]]:
        rows = await self.archive_load(key, None)
        seqs = [seq for seq, _, _ in rows] or [None]
        return len(rows), min(seqs), max(seqs), sorted({row[1] for row in rows})  # type: ignore[type-var]

    async def kv_get(self, key: str) -> str | None:
        entry = await self.store.keyvalue.get(key)
        return None if entry is None else entry.value

    async def kv_set(self, key: str, value: str) -> None:
        await self.store.keyvalue.set(key, value)

    async def kv_delete(self, key: str) -> None:
        await self.store.keyvalue.delete(key)

    async def put_pairing(self, channel: str, peer: str, code: str | None) -> None:
        if code is None:
            await self.store.access.approve_pairing(channel, peer)
        else:
            await self.store.access.remove_pairing(channel, peer)
            await self.store.access.request_pairing(channel, peer, code)

    async def get_pairing(self, channel: str, peer: str) -> str | None:
        pairing = await self.store.access.pairing(channel, peer)
        return None if pairing is None else pairing.code or pairing.status

    async def delete_pairing(self, channel: str, peer: str) -> None:
        await self.store.access.remove_pairing(channel, peer)

    async def list_pairings(self, channel: str) -> list[str]:
        return [pairing.peer for pairing in await self.store.access.pairings(channel)]

    async def permission_put(self, agent: str, app: str, decision: str) -> None:
        await self.store.access.grant(agent, app, decision)

    async def permission_get(self, agent: str, app: str) -> str | None:
        grant = await self.store.access.permission(agent, app)
        return None if grant is None else grant.decision

    async def permission_delete(self, agent: str, app: str) -> None:
        await self.store.access.revoke(agent, app)

    async def permission_list_all(self) -> list[tuple[str, str, str]]:
        found = await self.store.access.permissions(limit=1000)
        return [(grant.agent, grant.app, grant.decision) for grant in found]

    async def put_session_aliases(self, aliases: dict[str, str]) -> None:
        await self.store.sessions.aliases.set_many(aliases)

    async def resolve_session_alias(self, alias: str) -> str | None:
        return await self.store.sessions.aliases.resolve(alias)

    async def load_all_aliases(self) -> dict[str, str]:
        return await self.store.sessions.aliases.list(limit=1000)
