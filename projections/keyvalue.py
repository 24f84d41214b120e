"""Which keys have a value, and where in the log it stands. Not the value, which the log keeps.

One row per `key` stream: the value is that of the stream's event `value_version`. What has expired
still has its row: whoever reads compares `expires_at` with the time.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

import msgspec

from eventlog.events import KEY, KeyDeleted, KeySet, KeyValueEvent
from projections.columns import moment, stream_key, text
from projections.fold import Fold


class KeyValue(msgspec.Struct, frozen=True, gc=False):
    """A row of `key_values`. `value_version` is that of the last value; a deleted key is not set."""

    namespace: str = ""
    name: str = ""
    is_set: bool = False
    value_version: int | None = None
    expires_at: datetime | None = None


def evolve(known: KeyValue, event: KeyValueEvent, version: int) -> KeyValue:
    """Return the key after `event`. Setting it is always a change: its value stands elsewhere now."""
    match event:
        case KeySet(namespace=namespace, name=name, expires_at=expires_at):
            until = None if expires_at is None else moment(expires_at)
            changed = KeyValue(_name(namespace), _name(name), True, version, until)
        case KeyDeleted(namespace=namespace, name=name):
            changed = KeyValue(_name(namespace), _name(name), False, known.value_version)
        case _:
            assert_never(event)
    return known if changed == known else changed


def _name(name: str) -> str:
    """Fit a name into the index: what no stream can be called is left out."""
    return stream_key(text(name)) or ""


KEY_VALUES = Fold(
    "key_values",
    version=1,
    kind=KEY,
    state=KeyValue,
    evolve=evolve,
    folds=(KeySet, KeyDeleted),
    initial=KeyValue(),
    unscanned=(KeySet,),
)
