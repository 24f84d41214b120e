"""Deleting sessions together with their children, and those whose time is over. Deletion is soft.

A session and all its descendants, up to EVENTS_MAX of them, leave sight in one append: all or none.
More go in several, the session itself with the last, so that whoever finds it still there deletes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from agentlog.checks import check_amount
from agentlog.errors import NotFound
from agentlog.scope import ATTEMPTS_MAX, Scope
from eventlog.command import MAX_EVENTS_PER_COMMAND, Command, Receipt
from eventlog.envelope import StreamId
from eventlog.errors import Conflict
from eventlog.events import SESSION, SessionDeleted
from eventlog.outcome import conflict
from projections.session import DELETED

EVENTS_MAX = MAX_EVENTS_PER_COMMAND
PAGE_SESSIONS = 256
RETENTION_DAYS_MAX = 36_500


async def delete_tree(
    scope: Scope,
    stream: StreamId,
    reason: str | None,
    expected_version: int | None,
    meta: dict[str, Any] | None,
) -> Receipt | None:
    """Delete a session and its descendants; None when all of them were deleted before.

    Children that are begun meanwhile are looked for again, a bounded number of times.
    Raises:
        NotFound: there is no such session.
        Conflict: it is not at `expected_version`.
    """
    receipt = None
    expected = {} if expected_version is None else {stream: expected_version}
    for _ in range(ATTEMPTS_MAX):
        tree = await scope.fetch("session_tree", stream.tenant, stream.key, False)
        if not tree:
            raise NotFound(f"there is no session {stream.key!r}", hint="check key and tenant", key=stream.key)
        living = [row["key"] for row in tree if row["state"] != DELETED]
        if not living:
            actual = next(row["version"] for row in tree if row["key"] == stream.key)
            if expected.get(stream, actual) != actual:  # nothing is appended that could tell
                raise conflict(stream, expected[stream], actual)
            return receipt
        receipt = await _delete(scope, stream, living, expected, reason, meta)
        expected = {}
    return receipt


async def _delete(
    scope: Scope,
    root: StreamId,
    keys: Sequence[str],
    expected: Mapping[StreamId, int],
    reason: str | None,
    meta: dict[str, Any] | None,
) -> Receipt:
    """Delete sessions of one tenant, `root` last; return the receipt of the last append."""
    streams = [StreamId(root.tenant, SESSION, key) for key in keys]
    streams.sort(key=lambda stream: stream == root)
    events = [scope.new(stream, SessionDeleted(reason), meta) for stream in streams]
    parts = [events[start : start + EVENTS_MAX] for start in range(0, len(events), EVENTS_MAX)]
    for part in parts[:-1]:
        await scope.log.append(Command(part))
    # A version that is expected of many streams is compared with the part they are in.
    named = {event.stream for event in parts[-1]} | {root}
    return await scope.log.append(Command(parts[-1], {s: v for s, v in expected.items() if s in named}))


async def cleanup(
    scope: Scope, tenant: str | None, retention_days: float | None, reason: str, meta: dict[str, Any] | None
) -> int:
    """Delete sessions whose time is over, with their children; return how many left sight.

    A session that somebody uses at that very moment is left for the next call.
    """
    if retention_days is not None:
        check_amount(retention_days, "retention_days", RETENTION_DAYS_MAX, "days")
    count, after = 0, 0
    while due := await scope.fetch("expired_sessions", tenant, retention_days, after, PAGE_SESSIONS):
        after = due[-1]["stream_id"]
        roots = [StreamId(row["tenant"], SESSION, row["key"]) for row in due]
        versions = [row["version"] for row in due]
        count += sum(
            await asyncio.gather(
                *(
                    _expire(scope, root, version, reason, meta)
                    for root, version in zip(roots, versions, strict=True)
                )
            )
        )
    return count


async def _expire(
    scope: Scope, root: StreamId, version: int, reason: str, meta: dict[str, Any] | None
) -> int:
    """Delete one session that was due at `version`, and what is below it; return how many."""
    tree = await scope.fetch("session_tree", root.tenant, root.key, True)
    living = {row["key"]: row["version"] for row in tree if row["state"] != DELETED}
    if root.key not in living:
        return 0  # deleted meanwhile, perhaps with its parent
    expected = {StreamId(root.tenant, SESSION, key): at for key, at in living.items()} | {root: version}
    try:
        await _delete(scope, root, list(living), expected, reason, meta)
    except Conflict:
        return 0  # in use: it is not over yet
    return len(living)
