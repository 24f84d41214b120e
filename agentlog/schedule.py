"""Schedules: at their ticks, items go into a queue. Each tick is fired once, by whichever host is first.

What a schedule is: definition.py. What becomes of its ticks: ticks.py, firing.py. Their file for people:
schedule_file.py. A tick never says what a schedule is, so no run brings back what was changed meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from agentlog.cron import upcoming
from agentlog.definition import (
    Definition,
    decide_delete,
    decide_pause,
    decide_put,
    decide_resume,
    present,
)
from agentlog.errors import BadPayload, Conflict
from agentlog.firing import Firing, Schedule, schedule_of, state_of
from agentlog.job import check_time
from agentlog.schedule_file import ScheduleFile, Synced
from agentlog.schedule_text import Standing, definition_of, same
from agentlog.scope import ATTEMPTS_MAX, Decide, Scope, check_name
from agentlog.session import PAGE_MAX, check_limit
from eventlog.command import Command, Receipt
from eventlog.envelope import MAX_KEY_BYTES, NewEvent, StreamId, check_text, parse_time, us_to_time
from eventlog.errors import BadInput
from eventlog.events import (
    SCHEDULE,
    SCHEDULE_LIST,
    ScheduleDeleted,
    ScheduleEvent,
    SchedulesReplaced,
    ScheduleTriggered,
)
from eventlog.payload import decode_payload
from projections import schedule as projection

LIST = "schedules"
SCHEDULES_MAX = 1000
Page = list[Schedule]


class Schedules(Firing):
    """The schedules a store may name."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._files: list[ScheduleFile] = []

    async def put(
        self,
        id: str,
        cron: str,
        body: Any = None,
        *,
        session: str | None = None,
        time_zone: str = "UTC",
        priority: int = 0,
        catch_up: str = "once",
        catch_up_max: int = 10,
        late_s: float = 60.0,
        overlap: str = "allow",
        jitter_s: float = 0.0,
        paused: bool | None = None,
        description: str | None = None,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Set a schedule; everything it was before is replaced. See Definition for the arguments.

        A tick that is due stays so, unless `cron` or `time_zone` changed.

        Args:
            paused: None: as it is.
            now: ticks are those after this moment; default: Postgres' clock.
        Raises:
            BadInput: cron, time zone or a policy is none. BadPayload: the body, or a field has another type.
        """
        stream = self._stream(id, tenant)
        event = Definition(
            cron=cron, body=body, session=session, time_zone=time_zone, priority=priority,
            catch_up=catch_up, catch_up_max=catch_up_max, late_s=late_s, overlap=overlap, jitter_s=jitter_s,
            paused=False if paused is None else paused, description=description,
        ).event()  # fmt: skip
        moment = await self._moment(now)

        def decide(known: projection.Schedule | None) -> list[ScheduleEvent]:
            return decide_put(stream.tenant, id, event, moment, paused is None, known)

        return await self._decide(id, tenant, decide, meta)

    async def delete(
        self,
        id: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Take a schedule away; None when it was already. Its queue items stay. Raises NotFound."""
        return await self._exported(
            await self._scope.decide(
                self._stream(id, tenant),
                ["schedules"],
                lambda known: decide_delete(id, reason, known),
                meta=meta,
            )
        )

    async def pause(
        self,
        id: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Let a schedule have no ticks; None when it was paused. Raises NotFound."""
        return await self._exported(
            await self._scope.decide(
                self._stream(id, tenant),
                ["schedules"],
                lambda known: decide_pause(id, reason, known),
                meta=meta,
            )
        )

    async def resume(
        self,
        id: str,
        *,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Let a schedule have ticks again, those after now; None when it was not paused. Raises NotFound."""
        stream, moment = self._stream(id, tenant), await self._moment(now)
        return await self._decide(
            id, tenant, lambda known: decide_resume(stream.tenant, id, moment, known), meta
        )

    async def trigger(
        self,
        id: str,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> str:
        """Have a schedule's work done now, out of turn and also when it is paused; return the queue item.

        Raises NotFound; Conflict: it changed ten times in a row meanwhile.
        """
        stream = self._stream(id, tenant)
        conflict: Conflict | None = None
        for _ in range(ATTEMPTS_MAX):
            places = await self._scope.fetch("stream_place", *stream)
            rows = await self._scope.fetch("schedules", stream.tenant, id, "", 1, True)
            known = present(id, state_of(rows[0]) if rows else None)
            body = (await self._bodies(stream.tenant, rows)).get(id)
            if body is None:
                raise BadPayload(
                    f"what schedule {id!r} is cannot be read by this release", hint="use a newer one"
                )
            item = self._scope.log.ids.next()
            said = self._scope.new(stream, ScheduleTriggered(item), meta)
            work = self._item(stream, item, known, body, {"schedule": id} | (meta or {}))
            try:
                await self._scope.log.append(Command([said, work], {stream: places[0]["version"]}))
                return item
            except Conflict as error:
                conflict = error
        assert conflict is not None, "only conflicts come back here"
        raise conflict

    async def get(self, id: str, *, tenant: str | None = None) -> Schedule | None:
        """Return a schedule with its body; None when there is none."""
        stream = self._stream(id, tenant)
        rows = await self._scope.fetch("schedules", stream.tenant, id, "", 1, False)
        found = await self._schedules(stream.tenant, rows)
        return found[0] if found else None

    async def list(self, *, limit: int = 100, after: str = "", tenant: str | None = None) -> Page:
        """Return a page of schedules with their bodies, in order of their ids.

        Args:
            limit: 1 to 1,000.
            after: id of the last one of the page before; it need not exist any more.
        """
        owner = self._scope.owner(tenant)
        check_limit(limit)
        check_text(after, "after", MAX_KEY_BYTES)
        return await self._schedules(
            owner, await self._scope.fetch("schedules", owner, None, after, limit, False)
        )

    async def upcoming(
        self, id: str, count: int = 5, *, now: datetime | None = None, tenant: str | None = None
    ) -> Sequence[datetime]:
        """Return the next ticks of a schedule, in UTC, also where it is paused. Raises NotFound."""
        stream = self._stream(id, tenant)
        check_limit(count)
        rows = await self._scope.fetch("schedules", stream.tenant, id, "", 1, True)
        known = present(id, state_of(rows[0]) if rows else None)
        return upcoming(known.cron, known.time_zone, await self._moment(now), count)

    async def status(self, *, tenant: str | None = None) -> dict[str, int]:
        """Return how many schedules there are, are paused and are due; how often they fired and skipped."""
        [row] = await self._scope.fetch("schedule_counts", self._scope.owner(tenant))
        return dict(row)

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

        Raises BadInput, BadPayload as `put`, named by schedule, and for more than 1,000; Conflict: another
        was faster, ten times in a row.
        """
        owner = self._scope.owner(tenant)
        moment = await self._moment(now)
        conflict: Conflict | None = None
        for _ in range(ATTEMPTS_MAX):
            # First the versions: what changes between the reads is found out by the append.
            places = await self._places(owner)
            rows = await self._rows(owner)
            gone = sorted({row["key"] for row in rows if row["is_set"]} - definitions.keys())
            try:
                receipt = await self._change(owner, definitions, gone, places, moment, meta)
                await self._exported(receipt)
                return receipt
            except Conflict as error:
                conflict = error
        assert conflict is not None, "only conflicts come back here"
        raise conflict

    async def keep_file(self, path: str | os.PathLike[str], *, tenant: str | None = None) -> ScheduleFile:
        """Keep a JSON5 file equal to the schedules: read it if it is there, and write it on each change.

        `ScheduleFile.watch` also takes over hand edits and what other hosts changed.

        Raises BadInput: what stands in the file cannot be read; nothing was changed.
        """
        file = ScheduleFile(self, path, self._scope.owner(tenant))
        await file.sync()
        self._files.append(file)
        return file

    async def sync_file(self, path: str | os.PathLike[str], *, tenant: str | None = None) -> Synced:
        """As `keep_file`, once: take over what somebody edited, then write the file anew.

        Raises BadInput, Refused, OSError: see `ScheduleFile.sync`.
        """
        return await ScheduleFile(self, path, self._scope.owner(tenant)).sync()

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
                decided = decide_put(owner, id, definition.event(), moment, False, state)
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

    async def standing(self, tenant: str | None = None) -> dict[str, Standing]:
        """Return what every schedule is that there is or was, and the position that changed it last."""
        owner = self._scope.owner(tenant)
        rows = await self._rows(owner)
        found = await self._schedules(owner, [row for row in rows if row["is_set"]])
        definitions = {one.id: definition_of(one) for one in found}
        return {
            row["key"]: Standing(definitions.get(row["key"]), row["changed_position"] or 0) for row in rows
        }

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
        moment = await self._moment(now)
        places = await self._places(owner)
        rows = {row["key"]: row for row in await self._rows(owner)}
        for id in deleted:
            present(id, state_of(rows[id]) if id in rows else None)
        receipt = await self._change(owner, definitions, deleted, places, moment, meta)
        await self._exported(receipt)
        return receipt

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

    async def _decide(
        self, id: str, tenant: str | None, decide: Decide, meta: dict[str, Any] | None
    ) -> Receipt | None:
        stream = self._stream(id, tenant)
        return await self._exported(await self._scope.decide(stream, ["schedules"], decide, meta=meta))

    def _stream(self, id: str, tenant: str | None) -> StreamId:
        return self._scope.stream(SCHEDULE, check_name(id, "id"), tenant)

    async def _moment(self, now: datetime | None) -> datetime:
        check_time(now, "now")
        if now is not None:
            return now
        [row] = await self._scope.fetch("server_time")
        return parse_time(us_to_time(row["time_us"]))

    async def _exported(self, receipt: Receipt | None) -> Receipt | None:
        """Write the files that are kept, after something changed."""
        if receipt is not None:
            for file in self._files:
                await file.after_change()
        return receipt
