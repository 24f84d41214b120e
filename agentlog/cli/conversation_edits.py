"""`agentlog sessions append / edit / remove / save / generation`: messages written from a shell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from agentlog.cli.options import NO_OPTIONS, Options, Reason
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, with_store
from agentlog.cli.sessions import sessions
from agentlog.cli.show import Output
from agentlog.cli.values import read_json

if TYPE_CHECKING:
    from agentlog.message import Draft
    from agentlog.store import Store
    from eventlog.command import Receipt

# Members of a line of `sessions load --json` that say what the message is, besides role and content.
_FIELDS = ("message_id", "parent_id", "model", "response_id", "request_id", "stop_reason", "usage", "cost",
           "sidechain", "compact_summary", "metadata", "environment")  # fmt: skip


def register(app: App) -> None:
    """Add the commands of this file to those of sessions."""
    for command in (append, edit, remove, save, generation):
        sessions.command(command)


def append(
    session: str,
    content: str,
    /,
    *,
    role: str = "user",
    model: str | None = None,
    idempotency_key: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Append a message to a session, and print its id and place. A session that does not exist is made.

    Parameters
    ----------
    session
        Its key.
    content
        JSON; anything else is taken as text.
    role
        Who says it.
    model
        Which model said it.
    idempotency_key
        With a key that was used before nothing is appended: the message of then is shown.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        message = {"role": role, "content": read_json(content)}
        receipt = await store.conversation.append(
            session, message, model=model, idempotency_key=idempotency_key
        )
        names = ("generation", "seq", "first_position", "duplicate")
        output.record({"session": session} | {name: getattr(receipt, name) for name in names})
        return FINE

    return with_store(options, work, create=True)


def edit(session: str, message: str, content: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Give a message that is in view another content. The log keeps what it was.

    Parameters
    ----------
    session
        Its key.
    message
        Id of the message.
    content
        JSON; anything else is taken as text.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        _changed(await store.conversation.edit(session, message, content=read_json(content)), output)
        return FINE

    return with_store(options, work)


def remove(
    session: str,
    messages: Annotated[list[str], Parameter(consume_multiple=True)],
    /,
    *,
    reason: Reason = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Take messages out of view, all or none. Log and archive keep them.

    Parameters
    ----------
    session
        Its key.
    messages
        Ids of the messages.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        _changed(await store.conversation.remove(session, messages, reason), output)
        return FINE

    return with_store(options, work)


def save(
    session: str,
    file: Path,
    /,
    *,
    known_version: int | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Make a session's window the messages of a file: what is new is appended, what differs edited.

    Parameters
    ----------
    session
        Its key.
    file
        JSON lines, in order: as `sessions load --json` prints them, or a provider's messages.
    known_version
        The session's version when the file was made: of the messages until then, those not in it go.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        drafts = read_messages(file)
        _changed(await store.conversation.save(session, drafts, known_version=known_version), output)
        return FINE

    return with_store(options, work, create=True)


def generation(session: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Begin a new generation: the window is empty, the archive keeps all that was said.

    Parameters
    ----------
    session
        Its key.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        output.record({"session": session, "generation": await store.archive.new_generation(session)})
        return FINE

    return with_store(options, work)


def read_messages(file: Path) -> list[Draft | dict[str, Any]]:
    """Return the messages of a file. Raises BadInput, which names the line."""
    from eventlog.errors import BadInput, BadPayload
    from eventlog.payload import decode_payload, encode_json

    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror or error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = decode_payload(*encode_json(line))
        except BadPayload as error:
            raise BadInput(f"{file}, line {number}: {error}") from error
        if not isinstance(value, dict):
            raise BadInput(f"{file}, line {number} is no message: it must be a JSON object")
        found.append(_draft(value) if "message_id" in value else value)
    return found


def _draft(row: dict[str, Any]) -> Draft:
    """A line of `sessions load --json`: what role and content say counts, also against `message`."""
    from agentlog.message import Draft
    from eventlog.envelope import parse_time

    message = {**(row.get("message") or {}), "role": row.get("role"), "content": row.get("content")}
    at = row.get("occurred_at")
    fields = {name: row[name] for name in _FIELDS if row.get(name) is not None}
    return Draft(message, occurred_at=None if at is None else parse_time(at), **fields)


def _changed(receipt: Receipt | None, output: Output) -> None:
    events = 0 if receipt is None else receipt.last_position - receipt.first_position + 1
    output.record({"changed": receipt is not None, "events": events})
