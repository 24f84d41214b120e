"""All inline projections of this release, and which of them an event concerns."""

from __future__ import annotations

from functools import cache

from eventlog.projection import InlineProjection
from projections.conversation import CONVERSATIONS, SUMMARIES
from projections.generations import GENERATIONS
from projections.plan import TODO_LISTS
from projections.queue import QUEUE_ITEMS
from projections.session import SESSIONS
from projections.tables import table_text

INLINE: tuple[InlineProjection, ...] = (
    SESSIONS,
    CONVERSATIONS,
    SUMMARIES,
    GENERATIONS,
    TODO_LISTS,
    QUEUE_ITEMS,
)

# DDL that joins the tables for people; run again whenever one of them was made anew.
VIEWS_SQL: str = table_text("views")

_BY_NAME = {projection.name: projection for projection in INLINE}


def by_name(name: str) -> InlineProjection:
    """Return the projection of that name; KeyError if there is none."""
    return _BY_NAME[name]


@cache
def for_kind(kind: str) -> tuple[InlineProjection, ...]:
    """Return the projections of streams of that kind."""
    return tuple(projection for projection in INLINE if projection.kind == kind)


@cache
def for_type(kind: str, type: str) -> tuple[InlineProjection, ...]:
    """Return the projections that events of that type can change, on streams of that kind."""
    return tuple(projection for projection in for_kind(kind) if type in projection.types)
