"""What methods give, in words: types as the pages name them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import EllipsisType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin

# What is written here; a type of any other package is known from there.
PACKAGES = ("agentlog", "eventlog", "projections", "replay")


def name_of(kind: Any) -> str:
    """A type as somebody would write it who has imported it."""
    if kind is NoneType:
        return "None"
    if isinstance(kind, EllipsisType):
        return "…"
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " | ".join(map(name_of, arguments))
    if arguments:
        return f"{name_of(origin)}[{', '.join(map(name_of, arguments))}]"
    return str(getattr(kind, "__name__", kind))


def ours(kind: Any) -> Iterator[type[Any]]:
    """The classes of this project in a type."""
    if inspect.isclass(kind) and kind.__module__.split(".")[0] in PACKAGES and not get_args(kind):
        yield kind
    for inner in (get_origin(kind), *get_args(kind)):
        if inner is not None:
            yield from ours(inner)
