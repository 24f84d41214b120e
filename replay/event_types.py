"""Which types of events stand in a log, in which shapes, and whether this release reads them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from eventlog.events import SCHEMAS
from eventlog.events.upcast import UPCASTERS
from eventlog.log import Log
from replay.statements import filled

READ, RAISED, NEWER, UNKNOWN = "read", "upcast", "newer", "unknown"


class EventType(msgspec.Struct, frozen=True):
    """One type in one shape.

    Attributes:
        reading: "read": as it is; "upcast": it is raised to today's shape first; "newer": of a later release,
            kept and passed on, folded as nothing; "unknown": no release's as far as this one knows, likewise.
    """

    type: str
    schema: int
    events: int
    first_position: int
    last_position: int
    reading: str


async def event_types(log: Log) -> list[EventType]:
    """Return the types and shapes of events that the log holds, by name. Counts every row once."""
    rows = await log.reads.fetch(filled("event_types", schema=log.settings.schema))
    return [EventType(**dict(row), reading=reading_of(row["type"], row["schema"])) for row in rows]


def reading_of(type: str, schema: int, schemas: Mapping[str, int] = SCHEMAS) -> str:
    """Return how this release reads events of a type and shape."""
    if type not in schemas:
        return UNKNOWN
    if schema == schemas[type]:
        return READ
    steps = range(schema, schemas[type])
    return RAISED if steps and all((type, step) in UPCASTERS for step in steps) else NEWER
