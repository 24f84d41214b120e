"""What becomes of a message for a session that is busy: the five answers, decided. Pure; reads nothing.

    enqueue     it waits for its turn
    reject      it is refused
    interrupt   what is being worked on is stopped, and the message is next
    rollback    the same, and what the stopped one did is to be undone
    merge       it joins the message that waits next, if there is one

All but the first rest on where the whole line stands, so they also take a turn on the session's
`queue` stream: of two that decided on the same line, one decides again.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agentlog.errors import Busy
from eventlog.errors import BadInput, shown
from eventlog.events import ItemEnqueued, ItemInterrupted, ItemMerged, QueueEvent

ENQUEUE, REJECT, INTERRUPT, ROLLBACK, MERGE = "enqueue", "reject", "interrupt", "rollback", "merge"
ANSWERS = (ENQUEUE, REJECT, INTERRUPT, ROLLBACK, MERGE)
_PRIORITY_MAX = 2**31 - 1


class InLine(msgspec.Struct, frozen=True):
    """An item of a session's line: `claimed`, and not over, or waiting."""

    id: str
    claimed: bool
    priority: int = 0


Events = Sequence[tuple[str, QueueEvent]]  # by item id


def check_answer(answer: str, session: str | None) -> None:
    """Raises BadInput."""
    if answer not in ANSWERS:
        raise BadInput(f"when_busy is {shown(answer)} and must be one of {', '.join(ANSWERS)}")
    if answer != ENQUEUE and session is None:
        raise BadInput(f"when_busy={answer!r} needs a session", hint="an item for anybody has no line")


def decide_answer(answer: str, session: str, id: str, event: ItemEnqueued, line: Sequence[InLine]) -> Events:
    """Return what is appended for a message, on which items.

    Args:
        line: what is claimed, then what waits, in order.
    Raises:
        Busy: it is rejected.
    """
    claimed = [item for item in line if item.claimed]
    waiting = [item for item in line if not item.claimed]
    if answer == REJECT and line:
        busy = line[0]
        doing = "works on" if busy.claimed else "has yet to work on"
        raise Busy(
            f"session {session!r} {doing} item {busy.id!r}",
            hint="send it again when that is finished, or enqueue it",
            session=session,
            item=busy.id,
        )
    if answer == MERGE and waiting:
        return [(waiting[0].id, ItemMerged(event.body))]
    if answer in (INTERRUPT, ROLLBACK):
        stopped = ItemInterrupted(id, rollback=answer == ROLLBACK)
        # It is next: before all that wait, however urgent they were.
        first = max([event.priority, *(min(item.priority + 1, _PRIORITY_MAX) for item in waiting[:1])])
        return [
            *((item.id, stopped) for item in claimed),
            (id, msgspec.structs.replace(event, priority=first)),
        ]
    return [(id, event)]
