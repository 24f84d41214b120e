"""Sets of schedules: put one in place of another, change several at once, say what stands. All or nothing.

One schedule by itself is schedule.py's; the file that is kept equal to a set is schedule_file.py's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from agentlog.checks import PAGE_MAX, check_kind, check_list
from agentlog.errors import BadPayload
from agentlog.schedule_definition import Definition, decide_set, present
from agentlog.schedule_firing import Firing, Schedule, schedule_of, state_of
from agentlog.schedule_text import Standing, definition_of, same
from agentlog.scope import Scope, check_name
from eventlog.command import Command, Receipt
from eventlog.envelope import NewEvent, StreamId
from eventlog.errors import BadInput
from eventlog.events import SCHEDULE, SCHEDULE_LIST, ScheduleDeleted, SchedulesReplaced
from eventlog.payload import decode_payload

LIST = "schedules"
SCHEDULES_MAX = 1000
Page = list[Schedule]


class ScheduleSets(Firing):
    """What concerns several schedules of a store at once."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._listeners: list[Callable[[], Awaitable[None]]] = []

    async def replace(
        self,
        definitions: Mapping[str, Definition],
        *,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Put a set of schedules in place of all there are, all or nothing: nobody ever sees a mix of both.

        What is equal stays as it is. Of two that replace at the same time, one comes after the other.

        Raises BadInput, BadPayload as `set`, named by schedule, and for more than 1,000; Conflict: another
        was faster, ten times in a row.
        """
        owner = self._scope.owner(tenant)
        _check_definitions(definitions)
        moment = await self._scope.moment(now)

        async def attempt() -> Receipt:
            # First the versions: what changes between the reads is found out by the append.
            places = await self._places(owner)
            rows = await self._rows(owner)
            gone = sorted({row["key"] for row in rows if row["is_set"]} - definitions.keys())
            return await self._change(owner, definitions, gone, places, moment, meta)

        receipt = await self._scope.again(attempt)
        await self._changed(receipt)
        return receipt

    async def change(
        self,
        definitions: Mapping[str, Definition],
        deleted: Sequence[str] = (),
        *,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt:
        """Set some schedules and delete others, all or nothing; the rest stays.

        Raises NotFound; Conflict: somebody changed one of them meanwhile; and what `replace` raises.
        """
        owner = self._scope.owner(tenant)
        _check_definitions(definitions)
        deleted = check_list(deleted, "deleted")
        moment = await self._scope.moment(now)
        places = await self._places(owner)
        rows = {row["key"]: row for row in await self._rows(owner)}
        for id in deleted:
            check_kind(id, str, "deleted", "a list of ids")
            present(id, state_of(rows[id]) if id in rows else None)
        receipt = await self._change(owner, definitions, deleted, places, moment, meta)
        await self._changed(receipt)
        return receipt

    async def standing(self, tenant: str | None = None) -> dict[str, Standing]:
        """Return what every schedule is that there is or was, and the position that changed it last."""
        owner = self._scope.owner(tenant)
        rows = await self._rows(owner)
        found = await self._schedules(owner, [row for row in rows if row["is_set"]])
        definitions = {one.id: definition_of(one) for one in found}
        return {
            row["key"]: Standing(definitions.get(row["key"]), row["changed_position"] or 0) for row in rows
        }

    async def _change(
        self,
        owner: str,
        definitions: Mapping[str, Definition],
        gone: Sequence[str],
        places: Mapping[StreamId, int],
        moment: datetime,
        meta: dict[str, Any] | None,
    ) -> Receipt:
        """Append all that sets these schedules and deletes those, or nothing. Raises Conflict."""
        if len(definitions) > SCHEDULES_MAX:
            raise BadInput(
                f"{len(definitions):,} schedules are over the limit of {SCHEDULES_MAX:,} in one set"
            )
        rows = {row["key"]: row for row in await self._rows(owner)}
        standing = await self.standing(owner)
        events: list[NewEvent] = []
        expected: dict[StreamId, int] = {}
        for id, definition in sorted(definitions.items()):
            stream = self._stream(id, owner)
            known = standing.get(id)
            if known is not None and known.definition is not None and same(known.definition, definition):
                continue
            try:
                state = state_of(rows[id]) if id in rows else None
                decided = decide_set(owner, id, definition.event(), moment, False, state)
                events += [self._scope.new(stream, event, meta) for event in decided]
            except (BadInput, BadPayload) as error:
                raise type(error)(f"schedule {id!r}: {error}") from error
            expected[stream] = places.get(stream, 0)
        for id in gone:
            stream = self._stream(id, owner)
            events.append(self._scope.new(stream, ScheduleDeleted("not in the new set"), meta))
            expected[stream] = places[stream]
        there = {id for id, one in standing.items() if one.definition is not None}
        list_stream = StreamId(owner, SCHEDULE_LIST, LIST)
        names = tuple(sorted((there | definitions.keys()) - set(gone)))
        events.append(self._scope.new(list_stream, SchedulesReplaced(names), meta))
        expected[list_stream] = places.get(list_stream, 0)
        return await self._scope.log.append(Command(events, expected))

    async def _places(self, owner: str) -> dict[StreamId, int]:
        """Return where the streams of the list and of all schedules stand."""
        list_stream = StreamId(owner, SCHEDULE_LIST, LIST)
        rows = await self._scope.fetch("stream_place", *list_stream)
        places = {list_stream: rows[0]["version"]} if rows else {}
        found = await self._scope.fetch("schedule_places", owner)
        return places | {StreamId(owner, SCHEDULE, row["key"]): row["version"] for row in found}

    async def _rows(self, owner: str) -> Sequence[asyncpg.Record]:
        """Return the rows of all schedules there are or were."""
        rows: Sequence[asyncpg.Record] = ()
        while True:
            after = rows[-1]["key"] if rows else ""
            page = await self._scope.fetch("schedules", owner, None, after, PAGE_MAX, True)
            rows = [*rows, *page]
            if len(page) < PAGE_MAX:
                return rows

    async def _schedules(self, owner: str, rows: Sequence[asyncpg.Record]) -> Page:
        bodies = await self._bodies(owner, rows)
        return [
            schedule_of(
                row, decode_payload(bytes(bodies[row["key"]]), None) if row["key"] in bodies else None
            )
            for row in rows
        ]

    def _stream(self, id: str, tenant: str | None) -> StreamId:
        return self._scope.stream(SCHEDULE, check_name(id, "id"), tenant)

    async def _changed(self, receipt: Receipt | None) -> Receipt | None:
        """Tell who keeps a file of the schedules that something changed, if it did."""
        if receipt is not None:
            for tell in self._listeners:
                await tell()
        return receipt


def _check_definitions(definitions: Mapping[str, Definition]) -> None:
    """Raise BadInput unless they are definitions by id."""
    check_kind(definitions, Mapping, "definitions", "a dict: an id, and what the schedule is")
    for id, definition in definitions.items():
        check_name(id, "id")
        check_kind(definition, Definition, f"schedule {id!r}", "a Definition")
