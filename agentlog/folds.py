"""Which projections a store keeps in its appends: those of this release, and a program's own. Opens nothing.

AGENTLOG_PROJECTIONS   own ones for the command line: package.module:NAME, a comma between
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from eventlog.errors import BadInput
from eventlog.projection import InlineProjection
from projections.catalog import INLINE


def folds_of(own: Sequence[InlineProjection | str]) -> tuple[InlineProjection, ...]:
    """Return all inline projections of a store; `own` are projections, or say where they stand.

    Raises:
        BadInput: there is none where one is said to stand, or two have one name.
    """
    found = (*INLINE, *(_imported(one) if isinstance(one, str) else one for one in own))
    names = [projection.name for projection in found]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"two projections are called {name!r}", hint="give your own another name")
    return found


def _imported(place: str) -> InlineProjection:
    module, _, name = place.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (Exception, SystemExit) as error:  # a module may do anything when it is imported
        raise BadInput(
            f"projection {place!r} cannot be imported: {type(error).__name__}: {error}",
            hint="name it as package.module:NAME",
        ) from error
    if not hasattr(found, "upsert_sql"):
        raise BadInput(f"{place!r} is a {type(found).__name__} and no projection", hint="see own_projection")
    projection: InlineProjection = found
    return projection
