"""The generations of a session: where each begins in its messages. Not the archived messages.

(The noun is `archive`; `projections/archive/` is the package of Parquet files.)
One row per generation. Generation 0 is made by whatever the session begins with.
"""

from __future__ import annotations

import msgspec

from eventlog.events import SESSION, GenerationStarted, MessageAppended, SessionCreated
from projections.fold import Fold


class Generation(msgspec.Struct, frozen=True, gc=False):
    """A row of `generations`; as a state, the current one."""

    generation: int = 0
    first_message: int = 0
    reason: str | None = None


def evolve(current: Generation, event: GenerationStarted, version: int) -> Generation:
    """Return the generation that `event` started.

    Numbers only grow: a start that names the current generation, or an older one, gets the next
    number, so that it neither overwrites a row nor hides behind one.
    """
    number = max(event.generation, current.generation + 1)
    return Generation(number, event.first_message, event.reason)


GENERATIONS = Fold(
    "generations",
    version=1,
    kind=SESSION,
    state=Generation,
    evolve=evolve,
    folds=(GenerationStarted,),
    initial=Generation(),
    begins=(SessionCreated, MessageAppended),
    row_key=("generation",),
)
