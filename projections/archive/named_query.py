"""The named queries: one .sql file each in `named/`, whose header says what it answers. Runs nothing.

A header is comments, in this order; the test of this file holds every query to it:

    -- Tokens and cost of each day.               what it answers, one sentence
    -- Days are in UTC.                           what else one must know, any number of lines
    --   $since  date = NULL  first day           parameters: name, DuckDB type, default if any, meaning
    --   day  date  UTC day                       columns in order: name, unit, meaning

They read the views that users read, so a connection of one tenant answers for that tenant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from eventlog.errors import BadInput, shown
from projections.archive.duck import HERE, sql

FOLDER = "named"

# How a column is counted: what a reader needs to format and to compare it.
UNITS = frozenset(
    ("text", "date", "time", "count", "tokens", "USD", "seconds", "bytes", "fraction", "number", "boolean")
)

_LINE = re.compile(r"--   (?P<name>\$?\w+) {2,}(?P<kind>\S.*?) {2,}(?P<meaning>\S.*)")


class Parameter(NamedTuple):
    """What a query can be asked with. Without a default it must be given."""

    name: str
    type: str
    required: bool
    default: Any
    meaning: str


class Column(NamedTuple):
    """What a query answers with. `unit` is one of UNITS."""

    name: str
    unit: str
    meaning: str


class NamedQuery(NamedTuple):
    """One question that is asked often enough to have a name."""

    name: str
    answers: str
    notes: str
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    text: str

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a value for each parameter: the one given, as text or as itself, or the default.

        Raises:
            BadInput: a parameter is not known, is missing, or its value cannot be read.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise BadInput(
                    f"the query {self.name!r} has no parameter {name!r}",
                    hint=f"it takes {', '.join(known)}" if known else "it takes none",
                )
        return {name: _value(self.name, parameter, given) for name, parameter in known.items()}


@cache
def named_queries() -> Mapping[str, NamedQuery]:
    """Return every named query by its name, in the order of names."""
    paths = sorted((HERE / FOLDER).glob("*.sql"))
    return {path.stem: read_query(path.stem, sql(f"{FOLDER}/{path.stem}")) for path in paths}


def find_query(name: str) -> NamedQuery:
    """Return the query of that name. Raises BadInput."""
    found = named_queries().get(name)
    if found is None:
        raise BadInput(
            f"there is no query named {name!r}", hint="`agentlog archive queries` lists those there are"
        )
    return found


def read_query(name: str, text: str) -> NamedQuery:
    """Take a query's file apart. Total: what no header says is not there; a test holds files to the form."""
    prose: list[str] = []
    parameters: list[Parameter] = []
    columns: list[Column] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        found = _LINE.fullmatch(line)
        if found is None:
            prose.append(line.removeprefix("--").strip())
        elif found["name"].startswith("$"):
            parameters.append(_parameter(found["name"][1:], found["kind"], found["meaning"]))
        else:
            columns.append(Column(found["name"], found["kind"], found["meaning"]))
    answers, notes = prose[0] if prose else "", " ".join(prose[1:])
    return NamedQuery(name, answers, notes, tuple(parameters), tuple(columns), text)


def _parameter(name: str, kind: str, meaning: str) -> Parameter:
    type, equals, default = kind.partition(" = ")
    if not equals or default == "NULL":
        return Parameter(name, type, not equals, None, meaning)
    return Parameter(name, type, False, _READERS[type](default), meaning)


def _value(query: str, parameter: Parameter, given: Mapping[str, Any]) -> Any:
    value = given.get(parameter.name, parameter.default)
    if value is None:
        if parameter.required:
            raise BadInput(
                f"the query {query!r} needs {parameter.name!r}: {parameter.meaning}",
                hint=f"give {parameter.name}=…",
            )
        return None
    try:
        return _READERS[parameter.type](value)
    except (TypeError, ValueError) as error:
        wanted = _WANTED[parameter.type]
        raise BadInput(
            f"{parameter.name} is {shown(value)} and must be a {wanted}",
            hint=parameter.meaning if parameter.type != "date" else "give a day of UTC, or none",
        ) from error


def _date(value: Any) -> date:
    return value if type(value) is date else date.fromisoformat(value)


def _bigint(value: Any) -> int:
    number = int(value) if isinstance(value, str) else value
    if type(number) is not int or not -(2**63) <= number < 2**63:
        raise ValueError(value)
    return number


def _double(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(value)
    return float(value)


def _varchar(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


_WANTED = {
    "date": "date such as 2026-11-01",
    "bigint": "whole number",
    "double": "number",
    "varchar": "text",
}
_READERS: dict[str, Callable[[Any], Any]] = {
    "date": _date,
    "bigint": _bigint,
    "double": _double,
    "varchar": _varchar,
}
