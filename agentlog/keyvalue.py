"""Keys and values: set, get (also as of before), compare and set, delete, list. Gives values no meaning."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec

from agentlog.checks import check_limit, check_number, check_time
from agentlog.errors import BadPayload, Refused
from agentlog.expiry import expiry
from agentlog.scope import BEHIND_ALL, Scope, check_name, query_text
from eventlog.command import Command, Receipt
from eventlog.envelope import MAX_KEY_BYTES, Event, StreamId, check_text, parse_time
from eventlog.events import KEY, KeyDeleted, KeySet, KeyValueEvent, decode_event, raw
from eventlog.events.keys import join_key
from eventlog.payload import decode_payload, encode_payload
from projections import keyvalue as projection

_ANY_VERSION = 2**63 - 1


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


# For `compare_and_set`: the key must have no value.
ABSENT: Final = _Absent()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A key and its value, as they stand or stood.

    Attributes:
        value: what was set, any JSON; None where it was not asked for (lists of keys).
        version: of the event that set it, in the key's stream: what `expected_version` takes.
        position, set_time: where that event stands in the log, and when the log accepted it.
        expires_at: there is no value from then on; None for never.
    """

    key: str
    namespace: str
    tenant: str
    value: Any
    version: int
    position: int
    set_time: datetime
    expires_at: datetime | None


Page = list[Entry]  # a name for it, because KeyValues.list hides the type inside of the class


def decide_delete(deleted: KeyDeleted, known: projection.KeyValue | None) -> list[KeyValueEvent]:
    """What has no value is not deleted once more."""
    return [deleted] if known is not None and known.is_set else []


class KeyValues:
    """The keys a store may name. A namespace is a column, not a prefix: the same key may be in several."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def set(
        self,
        key: str,
        value: Any,
        *,
        namespace: str = "",
        ttl_s: float | None = None,
        expires_at: datetime | None = None,
        expected_version: int | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Give a key a value. Never conflicts, unless a version is expected.

        Args:
            key: not empty; with its namespace at most 1,024 bytes, `%` and `:` counted as three.
            value: any JSON value; a key's value may take 16 MiB.
            ttl_s: the value is gone after so many seconds, 0 to 10^9; expires_at: from that time on.
            expected_version: the `version` of the Entry that it replaces; 0: the key was never set.
        Raises:
            Conflict: the key is not at `expected_version`.
            BadInput: see docs/reference/errors.md; and everything `Log.append` raises.
        """
        stream = self._stream(key, namespace, tenant)
        event = KeySet(key, raw(value), namespace, expiry(self._scope.log.clock, ttl_s, expires_at))
        expected = {} if expected_version is None else {stream: expected_version}
        return await self._scope.log.append(Command([self._scope.new(stream, event, meta)], expected))

    async def compare_and_set(
        self,
        key: str,
        expected: Any,
        value: Any,
        *,
        namespace: str = "",
        ttl_s: float | None = None,
        expires_at: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Give a key a value if it has the one that is expected; nobody sets it in between.

        Args:
            expected: the value it must have, or `agentlog.ABSENT`: none, never set, deleted or expired.
                The order of an object's members does not matter; 1 and 1.0 are two values.
        Raises:
            Refused: it has another value (`version`; 0 for none), or none.
        """
        stream = self._stream(key, namespace, tenant)
        wanted = ABSENT if expected is ABSENT else _comparable(decode_payload(*encode_payload(expected)))
        event = KeySet(key, raw(value), namespace, expiry(self._scope.log.clock, ttl_s, expires_at))

        async def attempt() -> Receipt:
            # First the version: what is set between the two reads is found out by the append.
            places = await self._scope.fetch("stream_place", *stream)
            version = places[0]["version"] if places else 0
            entry = await self.get(key, namespace=namespace, tenant=tenant)
            if (ABSENT if entry is None else _comparable(entry.value)) != wanted:
                raise _differs(key, entry, expected)
            return await self._scope.log.append(
                Command([self._scope.new(stream, event, meta)], {stream: version})
            )

        return await self._scope.again(attempt)

    async def delete(
        self,
        key: str,
        reason: str | None = None,
        *,
        namespace: str = "",
        expected_version: int | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Take a key's value away; None when it has none. The log keeps what it was.

        Raises Conflict when the key is not at `expected_version`.
        """
        stream = self._stream(key, namespace, tenant)
        event = KeyDeleted(key, namespace, reason)

        def decide(known: projection.KeyValue | None) -> list[KeyValueEvent]:
            return decide_delete(event, known)

        if expected_version is None:
            return await self._scope.decide(stream, ["key_values"], decide, meta=meta)
        return await self._scope.decide_at(stream, expected_version, ["key_values"], decide, meta=meta)

    async def get(
        self,
        key: str,
        *,
        namespace: str = "",
        at: int | datetime | None = None,
        tenant: str | None = None,
    ) -> Entry | None:
        """Return a key's entry; None when it was never set, was deleted, or has expired.

        Args:
            at: as it was after that position of the log (0: before all), or at that time: what the log
                had accepted by then. What had expired by then is None as well.
        Raises:
            BadInput: `at` is beyond the head of the log, or a time without a time zone.
        """
        stream = self._stream(key, namespace, tenant)
        if at is not None:
            return await self._get_at(stream, at)
        found = await self._scope.log.reads.events(query_text("key_value"), stream.tenant, stream.key)
        return _entry(found[0].to_event()) if found else None

    async def _get_at(self, stream: StreamId, at: int | datetime) -> Entry | None:
        position, time = await self._moment(at)
        version = _ANY_VERSION
        while True:
            found = await self._scope.log.reads.events(
                query_text("key_value_at"), stream.tenant, stream.key, position, time, version
            )
            if not found:
                return None
            event, version = found[0].to_event(), found[0].version
            said = decode_event(event.type, event.schema, event.data, event.encoding)
            if isinstance(said, KeyDeleted):
                return None
            if isinstance(said, KeySet):  # and not what a fold cannot read, and leaves out
                return None if said.expires_at is not None and said.expires_at <= time else _entry(event)

    async def _moment(self, at: int | datetime) -> tuple[int, datetime]:
        """Return the last position that counts, and the time that expiry is compared with."""
        head = await self._scope.log.head()
        if isinstance(at, datetime):
            check_time(at, "at")
            return head.position, at
        check_number(at, "at", 0, head.position, hint="it is a position from 0 to the head, or a time")
        rows = await self._scope.fetch("position_time", at)
        return at, rows[0]["time"]

    async def list(
        self,
        prefix: str = "",
        *,
        namespace: str = "",
        values: bool = True,
        limit: int = 100,
        after: str | None = None,
        tenant: str | None = None,
    ) -> Page:
        """Return a page of a namespace's keys, in order of their bytes; none that was deleted or has expired.

        Args:
            prefix: only keys that begin with it.
            values: False leaves them out, for long lists.
            limit: 1 to 1,000.
            after: the last key of the page before; it need not exist any more.
        """
        owner = self._scope.owner(tenant)
        check_limit(limit)
        for text, what in ((namespace, "namespace"), (prefix, "prefix"), (after or "", "after")):
            check_text(text, what, MAX_KEY_BYTES)
        arguments = owner, namespace, prefix, _end_of(prefix), after or "", limit
        if values:
            found = await self._scope.log.reads.events(query_text("key_values"), *arguments)
            return [_entry(stored.to_event()) for stored in found]
        return [_key(row) for row in await self._scope.fetch("keys", *arguments)]

    def _stream(self, key: str, namespace: str, tenant: str | None) -> StreamId:
        check_text(namespace, "namespace", MAX_KEY_BYTES)
        check_name(key, "key")
        return self._scope.stream(KEY, join_key(namespace, key), tenant)


def _entry(event: Event) -> Entry:
    said = decode_event(event.type, event.schema, event.data, event.encoding)
    assert isinstance(said, KeySet), "the fold could read it"
    return Entry(
        key=said.name,
        namespace=said.namespace,
        tenant=event.tenant,
        value=event.value["value"],
        version=event.version,
        position=event.position,
        set_time=parse_time(event.time),
        expires_at=said.expires_at,
    )


def _key(row: asyncpg.Record) -> Entry:
    return Entry(value=None, **dict(row))


def _comparable(value: Any) -> str:
    """Return a text that two values share when they are the same JSON."""
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError as error:
        raise BadPayload("a value is nested too deeply to be compared") from error


def _differs(key: str, entry: Entry | None, expected: Any) -> Refused:
    wanted = "no value" if expected is ABSENT else "that one"
    if entry is None:
        stands, version = f"key {key!r} has no value", 0
    else:
        stands, version = f"key {key!r} has another value, of version {entry.version}", entry.version
    return Refused(
        f"{stands}, and {wanted} was expected", hint="get it and decide again", key=key, version=version
    )


def _end_of(prefix: str) -> str:
    """Return the first text, in order of UTF-8, behind all that begin with `prefix`."""
    start = prefix.rstrip("\U0010ffff")
    if not start:
        return BEHIND_ALL
    last = ord(start[-1])
    return start[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)
