"""Schedules: at their ticks, items go into a queue. Each tick is fired once, by whichever host is first.

What a schedule is: schedule_definition.py. What becomes of its ticks: schedule_ticks.py, schedule_firing.py.
Several at once: schedule_sets.py. Their file for people: schedule_file.py. A tick never says what a schedule
is, so no run brings back what was changed meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from agentlog.checks import check_key, check_limit, check_path
from agentlog.cron import upcoming
from agentlog.errors import BadPayload
from agentlog.schedule_definition import (
    Definition,
    decide_delete,
    decide_pause,
    decide_resume,
    decide_set,
    present,
)
from agentlog.schedule_file import ScheduleFile, Synced
from agentlog.schedule_firing import Schedule, state_of
from agentlog.schedule_sets import Page, ScheduleSets
from agentlog.scope import Decide
from eventlog.command import Command, Receipt
from eventlog.events import ScheduleEvent, ScheduleTriggered
from projections import schedule as projection


class Schedules(ScheduleSets):
    """The schedules a store may name."""

    async def set(
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
        moment = await self._scope.moment(now)

        def decide(known: projection.Schedule | None) -> list[ScheduleEvent]:
            return decide_set(stream.tenant, id, event, moment, paused is None, known)

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
        return await self._decide(id, tenant, lambda known: decide_delete(id, reason, known), meta)

    async def pause(
        self,
        id: str,
        reason: str | None = None,
        *,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Let a schedule have no ticks; None when it was paused. Raises NotFound."""
        return await self._decide(id, tenant, lambda known: decide_pause(id, reason, known), meta)

    async def resume(
        self,
        id: str,
        *,
        now: datetime | None = None,
        meta: dict[str, Any] | None = None,
        tenant: str | None = None,
    ) -> Receipt | None:
        """Let a schedule have ticks again, those after now; None when it was not paused. Raises NotFound."""
        stream, moment = self._stream(id, tenant), await self._scope.moment(now)
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

        async def attempt() -> str:
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
            await self._scope.log.append(Command([said, work], {stream: places[0]["version"]}))
            return item

        return await self._scope.again(attempt)

    async def get(self, id: str, *, tenant: str | None = None) -> Schedule | None:
        """Return a schedule with its body; None when there is none."""
        stream = self._stream(id, tenant)
        rows = await self._scope.fetch("schedules", stream.tenant, id, "", 1, False)
        found = await self._schedules(stream.tenant, rows)
        return found[0] if found else None

    async def list(self, *, limit: int = 100, after: str | None = None, tenant: str | None = None) -> Page:
        """Return a page of schedules with their bodies, in order of their ids.

        Args:
            limit: 1 to 1,000.
            after: id of the last one of the page before; it need not exist any more.
        """
        owner = self._scope.owner(tenant)
        check_limit(limit)
        check_key(after, "after")
        rows = await self._scope.fetch("schedules", owner, None, after or "", limit, False)
        return await self._schedules(owner, rows)

    async def upcoming(
        self, id: str, limit: int = 5, *, now: datetime | None = None, tenant: str | None = None
    ) -> Sequence[datetime]:
        """Return the next ticks of a schedule, in UTC, also where it is paused. Raises NotFound."""
        stream = self._stream(id, tenant)
        check_limit(limit)
        rows = await self._scope.fetch("schedules", stream.tenant, id, "", 1, True)
        known = present(id, state_of(rows[0]) if rows else None)
        return upcoming(known.cron, known.time_zone, await self._scope.moment(now), limit)

    async def status(self, *, tenant: str | None = None) -> dict[str, int]:
        """Return how many schedules there are, are paused and are due; how often they fired and skipped."""
        [row] = await self._scope.fetch("schedule_counts", self._scope.owner(tenant))
        return dict(row)

    async def keep_file(self, path: str | os.PathLike[str], *, tenant: str | None = None) -> ScheduleFile:
        """Keep a JSON5 file equal to the schedules: read it if it is there, and write it on each change.

        `ScheduleFile.watch` also takes over hand edits and what other hosts changed.

        Raises BadInput: what stands in the file cannot be read; nothing was changed.
        """
        file = ScheduleFile(self, check_path(path, "path"), self._scope.owner(tenant))
        await file.sync()
        self._listeners.append(file.after_change)
        return file

    async def sync_file(self, path: str | os.PathLike[str], *, tenant: str | None = None) -> Synced:
        """As `keep_file`, once: take over what somebody edited, then write the file anew.

        Raises BadInput, Refused, OSError: see `ScheduleFile.sync`.
        """
        return await ScheduleFile(self, check_path(path, "path"), self._scope.owner(tenant)).sync()

    async def _decide(
        self, id: str, tenant: str | None, decide: Decide, meta: dict[str, Any] | None
    ) -> Receipt | None:
        stream = self._stream(id, tenant)
        return await self._changed(await self._scope.decide(stream, ["schedules"], decide, meta=meta))
