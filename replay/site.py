"""The parts of a store that verify and repair look at, opened one by one: none of them must be healthy.

`Log.open` refuses a damaged store. This opens what can be opened, writes nothing, cuts nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from eventlog.clock import Clock, SystemClock
from eventlog.directory import NAME, DataDirectory
from eventlog.errors import BadInput
from eventlog.io import Io, SystemIo
from eventlog.log import Log
from eventlog.postgres.connect import Target
from eventlog.postgres.reads import Reads
from eventlog.projection import InlineProjection
from eventlog.segment.directory import SegmentDirectory
from eventlog.settings import Settings
from replay.statements import filled

# Pages of rows and comparisons of tables may take longer than a statement of the log itself.
COMMAND_TIMEOUT_S = 3600.0


class Site(NamedTuple):
    """What there is to look at.

    Attributes:
        log_id: of the data directory; None when it never belonged to a log.
        promised: how far the segments go at least, when the store is open: bytes behind that may
            be in the middle of being written. None for a closed store.
    """

    directory: DataDirectory
    segments: SegmentDirectory
    reads: Reads
    log_id: uuid.UUID | None
    promised: int | None
    projections: Sequence[InlineProjection]
    views_sql: Sequence[str]
    settings: Settings
    io: Io
    clock: Clock

    async def has_log(self) -> bool:
        """Return whether the schema holds a log at all. Raises LogUnavailable."""
        rows = await self.reads.fetch(filled("has_table"), f"{self.settings.schema}.events")
        return bool(rows[0]["found"])


def site_of(log: Log, views_sql: Sequence[str]) -> Site:
    """Return the parts of an open log."""
    io = SystemIo()
    return Site(
        directory=log.directory,
        segments=SegmentDirectory(log.segments.directory, io),
        reads=log.reads,
        log_id=log.directory.log_id,
        promised=log.segments.durable_position,
        projections=log.projections,
        views_sql=views_sql,
        settings=log.settings,
        io=io,
        clock=log.clock,
    )


def open_site(
    data: Path,
    postgres: Target,
    projections: Sequence[InlineProjection],
    views_sql: Sequence[str],
    settings: Settings | None,
    io: Io | None = None,
) -> Site:
    """Open the parts of a closed store. Close `reads` afterwards.

    Raises:
        BadInput: there is no data directory there.
        Damaged, FormatTooNew: its agentlog.json does not read.
    """
    if not (data / NAME).exists():
        raise BadInput(
            f"{data} is no data directory: it has no {NAME}", hint="give the one the log was opened with"
        )
    io, settings = io or SystemIo(), settings or Settings()
    directory = DataDirectory(data, io)
    patient = msgspec.structs.replace(settings, command_timeout_s=COMMAND_TIMEOUT_S)
    return Site(
        directory=directory,
        segments=SegmentDirectory(str(directory.segments), io),
        reads=Reads(postgres, patient, {}),
        log_id=directory.log_id,
        promised=None,
        projections=projections,
        views_sql=views_sql,
        settings=settings,
        io=io,
        clock=SystemClock(),
    )
