"""Lines of segments as a fold takes them: what an event says is decoded with its line, in one pass.

The content of a message is most of its line. Decoded as an `Event`, and again by the fold for what it says,
it would be passed over twice. So the lines of a block are decoded as one tagged union, by their type: where
all that any fold looks at is what was said, that is decoded in place, and else `data` is left raw as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from operator import or_
from typing import Any, Literal

import msgspec

from eventlog.envelope import Event, decode_lines
from eventlog.events import EVENT_TYPES, SCHEMAS
from eventlog.projection import InlineProjection, Stepping
from eventlog.segment.reader import Decode

# A type that is not known costs a decoder made anew. What has more types than these is decoded as events.
TYPES_MAX = 256


@lru_cache(maxsize=32)
def decode_for(projections: tuple[InlineProjection, ...]) -> Decode:
    """Return what decodes a block's lines for a fold of these projections.

    It returns what FoldAll takes: events, or objects that look like them but have no `data` where they have
    `said`. It raises what `decode_lines` raises.
    """
    return _Lines(projections)


class _Lines:
    """The union of the types of lines that were met. Making it takes 20 ms, so it is kept."""

    def __init__(self, projections: tuple[InlineProjection, ...]) -> None:
        self._kinds = {type: _line(type, _only_what_is_said(type, projections)) for type in EVENT_TYPES}
        self._decode = self._decoder()

    def __call__(self, text: bytes) -> Sequence[Event]:
        try:
            return self._decode(text)
        except (ValueError, RecursionError):
            # A type, a schema or an encoding that this release does not read, a payload of another shape:
            # such events are kept, and folded as nothing. Or it is damage, which this says in its words.
            events = decode_lines(text)
        new = {event.type for event in events} - self._kinds.keys()
        if len(self._kinds) + len(new) > TYPES_MAX:
            self._decode = decode_lines
        elif new:
            self._kinds |= {type: _line(type, False) for type in new}
            self._decode = self._decoder()
        return events

    def _decoder(self) -> Decode:
        decode: Decode = msgspec.json.Decoder(reduce(or_, self._kinds.values())).decode_lines  # type: ignore[assignment]
        return decode


def _only_what_is_said(type: str, projections: Sequence[InlineProjection]) -> bool:
    """Whether no fold of this type looks at anything of an event but what it says."""
    folds = [projection for projection in projections if type in projection.types]
    # What every fold only begins with, or none folds, is not decoded at all.
    return any(type not in fold.begins for fold in folds) and all(
        isinstance(fold, Stepping) and (type in fold.begins or type in fold.unscanned) for fold in folds
    )


def _line(type: str, in_place: bool) -> type[msgspec.Struct]:
    """Return the struct of lines of one type, with the fields of `Event`."""
    fields: list[tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(Event):
        name, kind, default = field.name, field.type, field.default
        if in_place and name == "data":
            name, kind, default = "said", EVENT_TYPES[type], msgspec.field(name="data")
        elif in_place and name == "schema":
            kind = Literal[SCHEMAS[type]]  # another one has to be made this one first
        elif in_place and name == "encoding":
            kind = None
        if name != "type":  # the tag
            fields.append((name, kind, msgspec.field(name=name) if default is msgspec.NODEFAULT else default))
    constants = {"type": type} if in_place else {"type": type, "said": None}
    return msgspec.defstruct(
        "Line",  # not the type: a damaged line's may hold what no class can be called
        fields,
        namespace=constants,
        tag_field="type",
        tag=type,
        kw_only=True,
        frozen=True,
        gc=False,
    )
