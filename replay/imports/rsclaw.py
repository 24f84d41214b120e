"""What the embedded session and task store holds, as events. Pure: reads and appends nothing.

A session is told generation by generation as its archive has it, then what of it is in its window; the other
tables row by row. docs/reference/import-rsclaw.md has the form of the dump and every table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from eventlog.envelope import NewEvent
from eventlog.errors import BadInput
from eventlog.events import (
    DELIVERY,
    GRANT,
    KEY,
    NULL,
    PAIRING,
    SESSION,
    SESSION_ALIAS,
    AliasSet,
    ConversationCompacted,
    EffectDelivered,
    GenerationStarted,
    KeySet,
    MessageAppended,
    PairingApproved,
    PairingRequested,
    PermissionGranted,
    SessionCreated,
    SessionDeleted,
    raw,
)
from eventlog.events.keys import join_key
from replay.imports.facts import Facts
from replay.imports.rsclaw_cron import Calendar, cron_job
from replay.imports.rsclaw_values import a_json, a_text, a_time, time_of
from replay.imports.rsclaw_work import external_job, task

FORMAT = "rsclaw"
SESSION_META, MESSAGES, IDEM_KEYS, CRON_JOBS = "session_meta", "messages", "idem_keys", "cron_jobs"

_ARCHIVED = re.compile(r"archive:(?P<session>.+):gen(?P<generation>\d{1,10}):(?P<seq>\d{16,20})", re.DOTALL)
_ACTIVE = re.compile(r"(?P<session>.+):(?P<seq>\d{16,20})", re.DOTALL)


class Meta(msgspec.Struct, frozen=True):
    """The value of `session_meta`, as the store writes it. Times are Unix seconds."""

    session_key: str
    message_count: int
    last_active: int
    created_at: int
    generation: int = 1


class Place(NamedTuple):
    """Which message a key of `messages` names. `generation` None: one of the active window."""

    session: str
    generation: int | None
    seq: int


class Shape(NamedTuple):
    """Where the messages of a session are, and how its generations follow each other.

    Attributes:
        meta: None for a session that was deleted and left its archive.
        archived: places in the archive; active: seqs in the window.
    """

    key: str
    meta: Meta | None
    archived: Sequence[tuple[int, int]]
    active: Sequence[int]


def place_of(key: str, sessions: set[str]) -> Place:
    """Read a key of `messages`. `sessions`: keys of `session_meta`, which settle what is ambiguous.

    Raises BadInput: it names no message.
    """
    active, archived = _ACTIVE.fullmatch(key), _ARCHIVED.fullmatch(key)
    # A session may be called `archive:a:gen1`, and then the store itself mixed the two up.
    if archived and not (active and active["session"] in sessions):
        return Place(archived["session"], int(archived["generation"]), int(archived["seq"]))
    if active is None:
        raise BadInput(f"key {key!r} is neither <session>:<seq> nor archive:<session>:gen<n>:<seq>")
    return Place(active["session"], None, int(active["seq"]))


class SessionTeller:
    """Tells one session.

    Args:
        say: gives the text of the message at a place.
        reject: told of a message that becomes no event, and why.
    Attributes:
        notes: what came over otherwise than it was, for people.
    """

    def __init__(
        self, shape: Shape, tenant: str, say: Callable[[Place], str], reject: Callable[[Place, str], None]
    ) -> None:
        self.notes: list[str] = []
        self._facts = Facts(FORMAT, tenant)
        self._shape = shape
        self._say = say
        self._reject = reject
        self._messages = 0

    def tell(self) -> list[NewEvent]:
        """Return the session's events, in order. Raises BadInput: there can be no such session."""
        shape = self._shape
        created = None if shape.meta is None else time_of(shape.meta.created_at)
        self._facts.add(SESSION, shape.key, SessionCreated(created_at=created), created)
        last = max([generation for generation, _ in shape.archived], default=1)
        current = last if shape.meta is None else shape.meta.generation
        for generation in range(1, max(last, current) + 1):
            if generation > 1:
                started = GenerationStarted(generation - 1, self._messages)
                self._facts.add(SESSION, shape.key, started)
            archived = sorted(seq for g, seq in shape.archived if g == generation)
            if generation == current and shape.meta is not None:
                self._tell_window(generation, archived)
            else:
                for seq in archived:
                    self._tell_message(Place(shape.key, generation, seq), generation)
        if shape.meta is None:
            gone = SessionDeleted("deleted in rsclaw, where its archive stayed")
            self._facts.add(SESSION, shape.key, gone)
        return self._facts.events

    def _tell_window(self, generation: int, archived: list[int]) -> None:
        """The current generation: what the archive alone has is hidden, as by the compaction that hid it."""
        key, active = self._shape.key, sorted(self._shape.active)
        hidden = [seq for seq in archived if not active or seq < active[0]]
        for seq in hidden:
            self._tell_message(Place(key, generation, seq), generation)
        if hidden:
            self._facts.add(SESSION, key, ConversationCompacted(trigger=FORMAT))
        for seq in sorted({*active, *archived[len(hidden) :]}):
            in_archive, in_window = Place(key, generation, seq), Place(key, None, seq)
            if seq not in active:
                self.notes.append(f"session {key!r}: message {seq} was in the archive alone, is in view now")
            elif seq in archived and self._say(in_window) != self._say(in_archive):
                self._reject(in_window, "the archive has another message of that number, which was taken")
            self._tell_message(in_archive if seq in archived else in_window, generation)

    def _tell_message(self, place: Place, generation: int) -> None:
        try:
            message = message_of(self._say(place), f"{generation}:{place.seq}")
            self._facts.add(SESSION, place.session, message)
        except BadInput as error:
            self._reject(place, str(error))
        else:
            self._messages += 1


def message_of(text: str, id: str) -> MessageAppended:
    """Return the event of a message. `id`: its id where the message has none of its own.

    Raises BadInput: it is no JSON object.
    """
    try:
        members = msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"the message is no JSON object: {error}") from error
    role, own_id = _text(members.get("role")), _text(members.get("id"))
    if role is not None:
        del members["role"]
    content = members.pop("content", NULL)
    return MessageAppended(
        message_id=own_id or id,
        role=role or "",
        content=raw(content),
        source=raw({"message": members}) if members else NULL,
    )


def other_events(table: str, key: str, value: Any, tenant: str, calendar: Calendar) -> list[NewEvent]:
    """Return the events of a row of another table. Raises BadInput: there is none for it."""
    facts = Facts(FORMAT, tenant)
    if table == CRON_JOBS:
        cron_job(facts, key, value, calendar)
        return facts.events
    tell = _TABLES.get(table)
    if tell is None:
        known = ", ".join([SESSION_META, MESSAGES, CRON_JOBS, *_TABLES])
        raise BadInput(f"table {table!r} is none that can be imported", hint=f"those are {known}")
    tell(facts, key, value)
    return facts.events


def _kv(facts: Facts, key: str, value: Any) -> None:
    facts.add(KEY, join_key("", _named(key)), KeySet(key, raw(a_text(value))))


def _alias(facts: Facts, key: str, value: Any) -> None:
    facts.add(SESSION_ALIAS, key, AliasSet(a_text(value)))


def _pairing(facts: Facts, key: str, value: Any) -> None:
    channel, colon, peer = key.partition(":")
    if not (channel and colon and peer):
        raise BadInput(f"key {key!r} is not <channel>:<peer>")
    state = a_json(value)
    event: PairingApproved | PairingRequested
    match state:
        case "Approved":
            event = PairingApproved(channel, peer)
        case {"Pending": {"code": str(code), "expires_at": int(expires_at)}}:
            event = PairingRequested(channel, peer, code, time_of(expires_at))
        case _:
            raise BadInput(f"state {state!r} is neither Approved nor Pending with code and expires_at")
    facts.add(PAIRING, join_key(channel, peer), event)


def _permission(facts: Facts, key: str, value: Any) -> None:
    agent, nul, app = key.partition("\0")
    if not (agent and nul and app):
        raise BadInput(f"key {key!r} is not <agent>, NUL, <app>")
    grant = a_json(value)
    match grant:
        case {"decision": str(decision), **rest}:
            at = a_time(rest.get("granted_at"))
        case _:
            raise BadInput(f"grant {grant!r} has no decision")
    event = PermissionGranted(agent, app, decision, raw(Raw(value.encode())))
    facts.add(GRANT, join_key(agent, app), event, at)


def _delivered(facts: Facts, key: str, value: Any) -> None:
    at = a_time(value)
    if at is None:
        raise BadInput(f"the value is {value!r} and must be a Unix time")
    facts.add(DELIVERY, _named(key), EffectDelivered(key), at)


_TABLES: dict[str, Callable[[Facts, str, Any], None]] = {
    "kv": _kv,
    "session_aliases": _alias,
    "pairing": _pairing,
    "computer_permissions": _permission,
    "task_queue": task,
    "external_jobs": external_job,
    IDEM_KEYS: _delivered,
}


def _named(key: str) -> str:
    if not key:
        raise BadInput("the key is empty")
    return key


def _text(value: Raw | None) -> str | None:
    """Return a member's text; None when it is none, or empty."""
    if value is None or not bytes(value).startswith(b'"'):
        return None
    return msgspec.json.decode(value, type=str) or None
