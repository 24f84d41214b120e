"""Clients write down what they sent and what they were told, where no fault of a run can reach it.

    recorder = Recorder(path)                     # one file, any number of processes
    log = recorder.recording(store.log)           # appends are written down; all else passes through
    calls = read_calls(path)                      # after the fault

One line before an append and one after it, each with one write() on an O_APPEND file. A kill in the
middle of a write leaves a torn line, which says nothing: not sent yet, or not told. What the lines
must agree with is history.py's matter.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
import uuid
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from eventlog.command import Command, Receipt, with_key_note
from eventlog.envelope import NewEvent, StreamId
from eventlog.errors import (
    BadInput,
    Closed,
    Conflict,
    CopiesDisagree,
    LogUnavailable,
    MirrorUnavailable,
    NotMirrored,
    OutcomeUnknown,
)

APPENDED, REFUSED, UNKNOWN = "appended", "refused", "unknown"

# "Nothing was appended": see Log.append. Whatever else an append raises says nothing about the log.
_REFUSALS = (BadInput, Conflict, LogUnavailable, MirrorUnavailable, Closed)
# Errors that may be told, by the name of their class; any other is a violation.
_NO_ANSWERS = (OutcomeUnknown, CopiesDisagree, asyncio.CancelledError)


class SentEvent(msgspec.Struct, frozen=True, array_like=True):
    """One event of a command, with a digest of all that was said."""

    id: str
    stream: StreamId
    content: str


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """Written before an append. `at_ns` is CLOCK_MONOTONIC, which processes of one machine share."""

    call: str
    client: str
    at_ns: int
    events: list[SentEvent]
    expected: list[tuple[StreamId, int]]
    key: str | None


class Told(msgspec.Struct, frozen=True, tag="told", omit_defaults=True):
    """Written after an append.

    Attributes:
        outcome: APPENDED (also when only the local copy is missing: NotMirrored), REFUSED or UNKNOWN.
        error: the class of what was raised; "" for a receipt.
        expected_error: False when no caller should ever see such an error.
        first_position … duplicate: the receipt, when there is one.
        stream, actual_version: of a Conflict.
    """

    call: str
    at_ns: int
    outcome: str
    error: str = ""
    expected_error: bool = True
    first_position: int = 0
    last_position: int = 0
    versions: list[tuple[StreamId, int]] = []
    time: str = ""
    duplicate: bool = False
    stream: StreamId | None = None
    actual_version: int = 0


class Call(msgspec.Struct):
    """One append: what was sent, and what was told, if the client lived to write it down."""

    sent: Sent
    told: Told | None = None

    @property
    def outcome(self) -> str:
        return UNKNOWN if self.told is None else self.told.outcome

    @property
    def id(self) -> str:
        """The first event's id: a command that is handed in again has the same."""
        return self.sent.events[0].id

    def __str__(self) -> str:
        return f"call {self.sent.call} of {self.sent.client or 'a client'}"


class Recorder:
    """Writes the calls of one process to a file. Call ids are unique over all processes."""

    def __init__(self, path: Path | str) -> None:
        self._fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._name = uuid.uuid4().hex[:8]
        self._numbers = itertools.count(1)

    async def append(self, log: Any, command: Command, *, client: str = "") -> Receipt:
        """`log.append(command)`, written down before and after; raises what it raises."""
        call = self.sent(command, client)
        try:
            receipt: Receipt = await log.append(command)
        except BaseException as error:
            self.refused(call, error)
            raise
        self.told(call, receipt)
        return receipt

    def recording(self, log: Any, client: str = "") -> RecordingLog:
        """Return the log with its appends written down: for handles, `Queue(Scope(recording, ""))`."""
        return RecordingLog(self, log, client)

    def sent(self, command: Command, client: str = "") -> str:
        """Write down that a command is about to be appended; return the call's id."""
        call = f"{self._name}-{next(self._numbers)}"
        noted = command if command.idempotency_key is None else with_key_note(command)
        events = [SentEvent(event.id, event.stream, content_of(event)) for event in noted.events]
        expected = list(command.expected.items())
        self._write(Sent(call, client, time.monotonic_ns(), events, expected, command.idempotency_key))
        return call

    def told(self, call: str, receipt: Receipt, error: str = "") -> None:
        """Write down what an append returned."""
        self._write(
            Told(
                call, time.monotonic_ns(), APPENDED, error, True, receipt.first_position,
                receipt.last_position, list(receipt.versions.items()), receipt.time, receipt.duplicate,
            )
        )  # fmt: skip

    def refused(self, call: str, error: BaseException) -> None:
        """Write down what an append raised."""
        name = type(error).__name__
        if isinstance(error, NotMirrored):
            self.told(call, error.receipt, name)
        elif isinstance(error, Conflict):
            self._write(
                Told(call, time.monotonic_ns(), REFUSED, name,
                     stream=error.stream, actual_version=error.actual_version)
            )  # fmt: skip
        elif isinstance(error, _REFUSALS):
            self._write(Told(call, time.monotonic_ns(), REFUSED, name))
        else:
            known = isinstance(error, _NO_ANSWERS)
            shown = name if known else f"{name}: {error}"
            self._write(Told(call, time.monotonic_ns(), UNKNOWN, shown, known))

    def close(self) -> None:
        os.close(self._fd)

    def _write(self, entry: Sent | Told) -> None:
        # A newline before as well: what follows a torn line is whole.
        line = b"\n%b\n" % msgspec.json.encode(entry)
        written = os.write(self._fd, line)
        assert written == len(line), "the disk of the notes is full"


class RecordingLog:
    """A log whose appends are written down; everything else is the log's own."""

    def __init__(self, recorder: Recorder, log: Any, client: str) -> None:
        self._recorder, self._log, self._client = recorder, log, client

    async def append(self, command: Command) -> Receipt:
        return await self._recorder.append(self._log, command, client=self._client)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def read_calls(*paths: Path | str) -> list[Call]:
    """Return what was written down, in the order of sending."""
    calls: dict[str, Call] = {}
    for path in map(Path, paths):
        for line in path.read_bytes().split(b"\n") if path.exists() else []:
            try:
                entry = _decoder.decode(line)
            except msgspec.DecodeError:
                continue  # empty, or torn by a kill
            if isinstance(entry, Sent):
                calls[entry.call] = Call(entry)
            else:
                calls[entry.call].told = entry
    return sorted(calls.values(), key=lambda call: call.sent.at_ns)


def content_of(event: NewEvent) -> str:
    """Return a digest of an event without its place; not the log's own hash, which is under test."""
    said = (event.stream, event.type, event.schema, event.id, event.occurred_at, event.encoding)
    return sha256(repr((*said, event.data, event.meta)).encode()).hexdigest()


_decoder = msgspec.json.Decoder(Sent | Told)
