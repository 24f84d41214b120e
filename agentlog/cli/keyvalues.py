"""`agentlog keyvalue …`: keys and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Options, PageLimit, Reason, TimeToLive
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, known, with_store
from agentlog.cli.show import Output
from agentlog.cli.values import read_json, read_moment

if TYPE_CHECKING:
    from agentlog.store import Store

COLUMNS = ("key", "namespace", "value", "version", "position", "set_time", "expires_at")
# A terminal has room for fewer.
COLUMNS_FOR_PEOPLE = ("key", "value", "version", "set_time", "expires_at")

keyvalue = App(name="keyvalue", help="Keys and values: list, get, set, delete.")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(keyvalue)


@keyvalue.command
def ls(
    prefix: str = "",
    /,
    *,
    namespace: str = "",
    limit: PageLimit = 50,
    after: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """List keys with their values, in order.

    Parameters
    ----------
    prefix
        Only keys that begin with it.
    namespace
        Keys of that namespace; without it those that have none.
    after
        Go on after that key: the last one of the page before.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        entries = await store.keyvalue.list(prefix, namespace=namespace, limit=limit, after=after)
        columns = COLUMNS_FOR_PEOPLE if output.people else COLUMNS
        output.table(columns, [[getattr(entry, name) for name in columns] for entry in entries])
        return FINE

    return with_store(options, work)


@keyvalue.command
def get(key: str, /, *, namespace: str = "", at: str | None = None, options: Options = NO_OPTIONS) -> int:
    """Print a key's value as JSON; exit status 1 when it has none.

    Parameters
    ----------
    key
        The key.
    namespace
        Of that namespace.
    at
        As of a position of the log, or of a time such as 2026-11-22T07:44:36Z.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.keyvalue.get(key, namespace=namespace, at=None if at is None else read_moment(at))
        entry = known(found, f"value in namespace {namespace!r} under key", key)
        if output.json:
            output.record({name: getattr(entry, name) for name in COLUMNS})
        else:
            output.document(entry.value)
        return FINE

    return with_store(options, work)


@keyvalue.command
def set(
    key: str,
    value: str,
    /,
    *,
    namespace: str = "",
    ttl: TimeToLive = None,
    expected_version: int | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Give a key a value.

    Parameters
    ----------
    key
        The key.
    value
        JSON; anything else is taken as text.
    namespace
        In that namespace.
    ttl
        The value is gone after so many seconds.
    expected_version
        Only if the key is at that version: 0 if it was never set.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.keyvalue.set(
            key, read_json(value), namespace=namespace, ttl_s=ttl, expected_version=expected_version
        )
        (version,) = receipt.versions.values()
        output.record({"key": key, "version": version, "position": receipt.first_position})
        return FINE

    return with_store(options, work, create=True)


@keyvalue.command
def delete(key: str, /, *, namespace: str = "", reason: Reason = None, options: Options = NO_OPTIONS) -> int:
    """Take a key's value away. The log keeps what it was.

    Parameters
    ----------
    key
        The key.
    namespace
        Of that namespace.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.keyvalue.delete(key, reason, namespace=namespace)
        output.record({"key": key, "changed": receipt is not None})
        return FINE

    return with_store(options, work)
