"""`agentlog delivery …`: what was done once, by its idempotency key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, known, with_store
from agentlog.cli.show import Output
from agentlog.cli.values import read_json

if TYPE_CHECKING:
    from agentlog.store import Store
    from eventlog.command import Receipt

delivery = App(name="delivery", help="What was done once: by which key, since when; mark it done.")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(delivery)


@delivery.command
def show(key: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Show where in the log a key was delivered; exit status 1 when it was not.

    Parameters
    ----------
    key
        Of whatever carried it: a message, a command, a mark.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        receipt = await store.delivery.receipt(key)
        _show(key, known(receipt, "delivery with key", key), output)
        return FINE

    return with_store(options, work)


@delivery.command
def mark(key: str, /, *, details: str | None = None, options: Options = NO_OPTIONS) -> int:
    """Say that something was done. Twice is once: the first time is shown, as a duplicate.

    Parameters
    ----------
    key
        What was done, in one word that no other deed has.
    details
        What is worth knowing of it: JSON; anything else is taken as text.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        said = None if details is None else read_json(details)
        _show(key, await store.delivery.mark(key, details=said), output)
        return FINE

    return with_store(options, work, create=True)


@delivery.command
def cleanup(*, options: Options = NO_OPTIONS) -> int:
    """Drop keys whose lifetime (the setting idempotency_ttl_s) is over. The log keeps what they carried."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        output.record({"dropped": await store.delivery.cleanup()})
        return FINE

    return with_store(options, work)


def _show(key: str, receipt: Receipt, output: Output) -> None:
    output.record(
        {
            "key": key,
            "first_position": receipt.first_position,
            "last_position": receipt.last_position,
            "time": receipt.time,
            "duplicate": receipt.duplicate,
        }
    )
