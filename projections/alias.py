"""Other names for sessions: what each stands for. One row per alias that was ever set."""

from __future__ import annotations

from typing import assert_never

import msgspec

from eventlog.events import SESSION_ALIAS, AliasRemoved, AliasSet
from projections.columns import stream_key
from projections.fold import Fold


class Alias(msgspec.Struct, frozen=True, gc=False):
    """A row of `aliases`. `session` is None where it stands for nothing: removed, or never readable."""

    session: str | None = None


def evolve(alias: Alias, event: AliasSet | AliasRemoved, version: int) -> Alias:
    """Return the alias after `event`; the latest counts."""
    match event:
        case AliasSet():
            changed = Alias(stream_key(event.session))
        case AliasRemoved():
            changed = Alias()
        case _:
            assert_never(event)
    return alias if changed == alias else changed


ALIASES = Fold(
    "aliases",
    version=1,
    kind=SESSION_ALIAS,
    state=Alias,
    evolve=evolve,
    folds=(AliasSet, AliasRemoved),
    initial=Alias(),
)
