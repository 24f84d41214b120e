"""All inline projections of this release, in the order of their tables."""

from __future__ import annotations

from eventlog.projection import InlineProjection
from projections.access import GRANTS, PAIRINGS
from projections.alias import ALIASES
from projections.conversation import COMPACTIONS, CONVERSATIONS, SUMMARIES
from projections.external import EXTERNAL_JOBS
from projections.generations import GENERATIONS
from projections.keyvalue import KEY_VALUES
from projections.lane import TASK_LANES
from projections.plan import PLANS, TODO_LISTS
from projections.queue import QUEUE_ITEMS
from projections.schedule import SCHEDULE_LISTS, SCHEDULES
from projections.session import SESSIONS
from projections.tables import table_text
from projections.task import TASKS

INLINE: tuple[InlineProjection, ...] = (
    SESSIONS,
    CONVERSATIONS,
    SUMMARIES,
    GENERATIONS,
    TODO_LISTS,
    QUEUE_ITEMS,
    TASKS,
    TASK_LANES,
    KEY_VALUES,
    ALIASES,
    PAIRINGS,
    GRANTS,
    PLANS,
    EXTERNAL_JOBS,
    SCHEDULES,
    SCHEDULE_LISTS,
    COMPACTIONS,
)

# DDL that joins the tables for people; run again whenever one of them was made anew.
VIEWS_SQL: str = table_text("views")
