"""The log read again: receipts, states of the past, what changed them, sessions forked from them.

What is done is in replay/; this names what may be asked for, and whose data.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from agentlog.checks import check_call, check_kind, check_list, check_number
from agentlog.errors import AlreadyExists, NotFound
from agentlog.exports import Exports
from agentlog.scope import Scope
from eventlog.command import Receipt
from eventlog.envelope import Event, StreamId
from eventlog.errors import BadInput, Conflict, shown
from eventlog.events import SESSION, SessionCreated
from projections.session import DELETED
from replay.event_types import EventType, event_types
from replay.fork import append_fork
from replay.moment import Moment, find_moment
from replay.past_log import Pasts
from replay.rebuild_part import rebuild_part
from replay.receipt import MARKS_DEFAULT, MARKS_MAX, LogReceipt, take_receipt
from replay.report import Progress, RebuildReport
from replay.state import Blame, Change, Step, StreamState, blame, changes, of_kind, state_of, steps

PAGE_EVENTS = 500


class Replays(Exports):
    """What a store's log can tell about its past.

    `position` and `time` say when: after that position, or after the last one accepted by that time; with
    neither, now. One that is not in the log raises BadInput.
    """

    def __init__(self, scope: Scope, pasts: Pasts) -> None:
        super().__init__(scope)
        self._pasts = pasts

    async def receipt(self, marks: int = MARKS_DEFAULT) -> LogReceipt:
        """Return a receipt of the whole log as it stands: position and hash chain, of any tenant's events.

        Args:
            marks: positions before the head that are noted as well; 0 to 10,000.
        Raises BadInput.
        """
        check_number(marks, "marks", 0, MARKS_MAX)
        return await take_receipt(self._scope.log, marks)

    async def state(
        self,
        kind: str,
        key: str,
        *,
        position: int | None = None,
        time: datetime | None = None,
        tenant: str | None = None,
    ) -> StreamState:
        """Return what one stream added up to, by table and column.

        Args:
            kind: of the stream: "session", "queue_item" …
        Raises:
            NotFound: it had no event by then. BadInput: no projection folds streams of that kind.
        """
        stream = self._stream(kind, key, tenant)
        moment = await self._moment(position, time)
        return await self._state(stream, moment)

    async def blame(
        self,
        kind: str,
        key: str,
        *,
        position: int | None = None,
        time: datetime | None = None,
        tenant: str | None = None,
    ) -> list[Blame]:
        """Return, by field of the stream's newest states, which event last changed it, and its `meta`.

        Raises as `state`.
        """
        stream = self._stream(kind, key, tenant)
        moment = await self._moment(position, time)
        events = [event async for block in self._events(stream, 0, moment) for event in block]
        if not events:
            raise _unknown(stream, moment)
        return blame(self._scope.log.projections, stream, events)

    async def diff(
        self,
        before: int | datetime,
        after: int | datetime | None = None,
        *,
        kind: str | None = None,
        key: str | None = None,
        tenant: str | None = None,
    ) -> AsyncIterator[Change]:
        """Yield each field that was another one at a later moment: of one stream, or of all that changed.

        Args:
            before, after: positions or times; `after` is now where it is None.
            kind, key: of one stream; neither for all that may be named.
        Raises:
            BadInput: `after` comes before `before`, or a kind without a key.
        """
        first, last = await self._between(before, after)
        if (kind is None) != (key is None):
            raise BadInput(
                f"kind {shown(kind)} and key {shown(key)} name no stream", hint="give both, or neither"
            )
        if kind is not None and key is not None:
            streams = [self._stream(kind, key, tenant)]
        else:
            streams = await self._touched(first, last, tenant)
        for stream in streams:
            old, new = [
                state_of(await self._pasts.streams.at(stream, moment.position), stream)
                for moment in (first, last)
            ]
            for change in changes(old, new, self._scope.log.projections):
                yield change

    def compare(self, before: StreamState, after: StreamState) -> list[Change]:
        """Return the fields in which two states of one kind of stream differ. Raises BadInput."""
        for state in (before, after):
            check_kind(state, StreamState, "a state", "one that `state` returned")
        if before.stream.kind != after.stream.kind:
            raise BadInput(f"{before.stream} and {after.stream} are of two kinds and cannot be compared")
        return changes(before, after, self._scope.log.projections)

    async def step(
        self, kind: str, key: str, *, after: int = 0, tenant: str | None = None
    ) -> AsyncIterator[Step]:
        """Yield a stream's events up to now, oldest first, each with the fields it changed.

        Args:
            after: begin behind that version of the stream.
        Raises as `state`.
        """
        stream = self._stream(kind, key, tenant)
        check_number(after, "after")
        moment = await self._moment(None, None)
        await self._state(stream, moment)
        async for one in steps(self._scope.log.projections, stream, self._events(stream, 0, moment)):
            if one.event.version > after:
                yield one

    async def fork(
        self,
        session: str,
        new_key: str,
        *,
        position: int | None = None,
        time: datetime | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Begin a new session with the history that another one had at a moment. That one stays as it is.

        The new one's parent is the other one; each copied event says in its `meta`, under `forked_from`,
        whose copy it is. A fork that was cut off goes on when it is asked for again.

        Raises:
            NotFound: there was no such session then, or it was deleted.
            AlreadyExists: there is a session with the new key, and it is not this fork.
        """
        source = self._scope.stream(SESSION, session, tenant)
        target = self._scope.stream(SESSION, new_key, tenant)
        moment = await self._moment(position, time)
        events = [event async for block in self._events(source, 0, moment) for event in block]
        if not events or await self._was_deleted(source, moment):
            raise _unknown(source, moment)
        if source == target:
            raise AlreadyExists(f"session {new_key!r} cannot be its own fork", hint=_OTHER, key=new_key)
        try:
            receipt = await append_fork(self._scope.log, events, target, SessionCreated(parent=session))
        except Conflict as error:
            raise AlreadyExists(f"session {new_key!r} exists", hint=_OTHER, key=new_key) from error
        if receipt is None:
            raise AlreadyExists(f"session {new_key!r} is that fork already", hint=_OTHER, key=new_key)
        return receipt

    async def rebuild(
        self,
        kind: str | None = None,
        key: str | None = None,
        *,
        projections: Sequence[str] = (),
        tenant: str | None = None,
        progress: Progress | None = None,
    ) -> RebuildReport:
        """Put right the projection rows of one stream or, without kind and key, of one tenant.

        `Store.rebuild` does so for the whole log. Raises BadInput: there is no such stream, tenant or table.
        """
        names = tuple(check_list(projections, "projections")) or None
        check_call(progress, "progress")
        if kind is None or key is None:
            owner = self._scope.owner(tenant)
            return await rebuild_part(self._scope.log, tenant=owner, names=names, progress=progress)
        stream = self._stream(kind, key, tenant)
        return await rebuild_part(self._scope.log, stream=stream, names=names, progress=progress)

    async def event_types(self) -> list[EventType]:
        """Return which types of events the whole log holds, in which shapes, and how they are read here.

        Raises Refused on a store that was opened for one tenant: it counts everybody's events.
        """
        self._scope.check_whole("event_types")
        return await event_types(self._scope.log)

    async def _was_deleted(self, stream: StreamId, moment: Moment) -> bool:
        state = await self._state(stream, moment)
        return any(row["state"] == DELETED for row in state.tables["sessions"])

    async def _moment(self, position: int | None, time: datetime | None) -> Moment:
        return await find_moment(self._scope.log, position, time)

    async def _between(self, before: int | datetime, after: int | datetime | None) -> tuple[Moment, Moment]:
        moments = [
            await self._moment(None, when) if isinstance(when, datetime) else await self._moment(when, None)
            for when in (before, after)
        ]
        if moments[0].position > moments[1].position:
            raise BadInput(
                f"position {moments[0].position} comes after {moments[1].position}", hint="the earlier first"
            )
        return moments[0], moments[1]

    def _stream(self, kind: str, key: str, tenant: str | None) -> StreamId:
        stream = self._scope.stream(kind, key, tenant)
        if not of_kind(self._scope.log.projections, kind):
            known = sorted({projection.kind for projection in self._scope.log.projections})
            raise BadInput(f"nothing folds streams of kind {kind!r}", hint=f"there are {', '.join(known)}")
        return stream

    async def _state(self, stream: StreamId, moment: Moment) -> StreamState:
        state = state_of(await self._pasts.streams.at(stream, moment.position), stream)
        if not state.version:
            raise _unknown(stream, moment)
        return state

    async def _events(self, stream: StreamId, after: int, moment: Moment) -> AsyncIterator[Sequence[Event]]:
        while page := await self._scope.log.read_stream(stream, after, PAGE_EVENTS):
            yield [event for event in page if event.position <= moment.position]
            after = page[-1].version
            if page[-1].position > moment.position:
                return

    async def _touched(self, first: Moment, last: Moment, tenant: str | None) -> list[StreamId]:
        """Return the streams that may be named and have an event between two moments, oldest change first."""
        owner = None if tenant is None and not self._scope.tenant else self._scope.owner(tenant)
        found: dict[StreamId, None] = {}
        async for block in self._scope.log.read(first.position, last.position):
            for event in block:
                if owner is None or event.tenant == owner:
                    found.setdefault(event.stream_id)
        return list(found)


def _unknown(stream: StreamId, moment: Moment) -> NotFound:
    return NotFound(
        f"there was no {stream} at position {moment.position}",
        hint="check key, tenant and time",
        key=stream.key,
    )


_OTHER = "choose another key"
