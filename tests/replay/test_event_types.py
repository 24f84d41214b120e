"""What stands in a log is listed, also what this release cannot read; that is kept and passed on."""

from __future__ import annotations

from eventlog.command import Command
from eventlog.envelope import new_event
from replay.event_types import NEWER, READ, UNKNOWN, event_types, reading_of
from replay.verify import verify
from tests.replay.support import SESSION, Spoiled


async def test_types_and_shapes_of_a_log_are_listed_with_those_of_later_releases(spoiled: Spoiled):
    """Events of a later release fold as nothing, are read back to the byte, and trouble nobody."""
    await spoiled.fill()
    log = await spoiled.log()
    before = await spoiled.tables()
    later = [
        new_event(SESSION, "session_created", {"shape": ["of", "tomorrow"]}, id=log.ids.next(), schema=99),
        new_event(SESSION, "session_dreamt", {"about": "sheep"}, id=log.ids.next(), schema=3),
    ]
    for event in later:
        await log.append(Command([event]))
    found = {(one.type, one.schema): one for one in await event_types(log)}
    assert found["session_created", 99].reading == NEWER
    assert found["session_dreamt", 3].reading == UNKNOWN
    assert (found["message_appended", 1].reading, found["message_appended", 1].events) == (READ, 7)
    assert sum(one.events for one in found.values()) == 15
    read = await log.read_stream(SESSION)
    assert [bytes(event.data) for event in read[-2:]] == [event.data for event in later]
    assert {row.split(",")[2] for row in before["sessions"]} == {
        row.split(",")[2] for row in await spoiled.table("sessions")
    }
    assert await verify(log) == []


def test_an_older_shape_without_an_upcaster_is_not_called_readable():
    """It would be promised and not kept."""
    assert reading_of("session_created", 1, {"session_created": 3}) == NEWER
