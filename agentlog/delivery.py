"""Delivery: what is to be done once is done once, as far as the log can see to it. Delivers nothing itself.

The log's own idempotency keys are the memory: a key is there when the command that carried it is, and
as long as `Settings.idempotency_ttl_s` says. There is no table beside them that could say otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from agentlog.checks import check_kind
from agentlog.errors import BadInput
from agentlog.scope import Scope
from eventlog.command import MAX_IDEMPOTENCY_KEY_BYTES, Command, Receipt
from eventlog.envelope import NewEvent, check_text
from eventlog.events import DELIVERY, NULL, EffectDelivered, raw

# Keys forgotten by one statement, so that none holds its locks for long.
FORGET_KEYS = 1_000

Effect = Callable[[], Awaitable[Sequence[NewEvent] | None]]


class Delivery:
    """The idempotency keys of what a store's tenant did."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def is_delivered(self, key: str, *, tenant: str | None = None) -> bool:
        """Say whether a command with that idempotency key was appended and the key is still remembered.

        Args:
            key: 1 to 512 bytes, the same as of `Command`, of `conversation.append`, of `mark` and `run_once`.
        """
        return await self.receipt(key, tenant=tenant) is not None

    async def receipt(self, key: str, *, tenant: str | None = None) -> Receipt | None:
        """Return the receipt of the command that carried a key; None when there is none, or not any more."""
        return await self._scope.log.reads.original(self._scope.owner(tenant), _checked(key))

    async def mark(
        self,
        key: str,
        *,
        details: Any = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Say that something was done. Twice is once: the Receipt is then the first one, `duplicate`.

        Args:
            details: any JSON value worth knowing, e.g. the id that the channel gave the message.
        """
        marker = self._marker(_checked(key), details, meta, tenant)
        return await self._scope.log.append(Command([marker], idempotency_key=key))

    async def run_once(
        self,
        key: str,
        effect: Effect,
        *,
        details: Any = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Run `effect` unless the key is delivered; its marker commits with the events it returns.

        What the effect appends, by returning it, happens exactly once. What it does outside of the log
        happens at least once: it runs again when the process dies, or `append` fails, before the commit,
        and on two hosts at the same moment. In one process the same key waits for its turn.

        Args:
            effect: called without arguments and awaited. It returns new events (`eventlog.events.new`), at
                most 9,999, or None. What it raises comes through, and the key stays free.
        Returns:
            The Receipt of marker and events; with `duplicate` the first one, when the key was delivered.
        Raises:
            BadInput: it returned something else. WrongTenant: an event of another tenant.
        """
        marker = self._marker(_checked(key), details, meta, tenant)
        check_kind(effect, Callable, "effect", "a function")  # type: ignore[arg-type]
        owner = marker.stream.tenant
        async with self._turns.setdefault((owner, key), asyncio.Lock()):
            known = await self._scope.log.reads.original(owner, key)
            if known is not None:
                return known
            events = await effect() or ()
            for event in events:
                if not isinstance(event, NewEvent):
                    raise BadInput(
                        f"the effect of {key!r} returned {type(event).__name__}, which is no new event",
                        hint="make events with eventlog.events.new",
                    )
                self._scope.owner(event.stream.tenant)
            return await self._scope.log.append(Command([marker, *events], idempotency_key=key))

    async def cleanup(self) -> int:
        """Drop the store's keys (its tenant's, or all) whose lifetime is over, and return how many.

        They count no more anyway; appends with keys drop some as well. How long a key lives is
        `Settings.idempotency_ttl_s`, from its append on.
        """
        dropped = 0
        while True:
            rows = await self._scope.fetch("forget_keys", self._scope.tenant or None, FORGET_KEYS)
            count: int = rows[0]["dropped"]
            dropped += count
            if count < FORGET_KEYS:
                return dropped

    def _marker(self, key: str, details: Any, meta: dict[str, Any] | None, tenant: str | None) -> NewEvent:
        stream = self._scope.stream(DELIVERY, key, tenant)
        event = EffectDelivered(key, NULL if details is None else raw(details))
        return self._scope.new(stream, event, meta)


def _checked(key: str) -> str:
    check_text(key, "idempotency key", MAX_IDEMPOTENCY_KEY_BYTES)
    if not key:
        raise BadInput("the idempotency key is empty", hint="name what is to be done once")
    return key
