"""Old shapes of events, lifted to the present one. Does not know the present shapes.

An upcaster takes the fields of schema n, each as verbatim JSON, and returns those of schema n+1.
It is written when a shape changes, and kept for ever: old data stays readable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw

Fields = dict[str, Raw]
Upcaster = Callable[[Fields], Fields]
Registry = Mapping[tuple[str, int], Upcaster]

# (type, the schema it lifts from). Empty: every event is at its first schema.
UPCASTERS: Registry = {}

_fields = msgspec.json.Decoder(Fields)


def upcast(type: str, schema: int, data: bytes | Raw, present: int, registry: Registry) -> bytes:
    """Return `data` of `schema` in the shape of `present`.

    Raises:
        KeyError: a step is missing: `schema` is newer than `present`, or was never released.
        msgspec.DecodeError: `data` is no JSON object.
    """
    if schema > present:
        raise KeyError((type, schema))
    fields = _fields.decode(data)
    for step in range(schema, present):
        fields = registry[type, step](fields)
    return msgspec.json.encode(fields)
