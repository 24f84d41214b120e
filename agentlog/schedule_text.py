"""The text of schedules that people read and edit: JSON5, and what an edited text asks for. Pure.

{
  position: 512,                      // of the log: what changed later, this text does not know
  schedules: {
    "nightly": {
      cron: "0 3 * * *",
      time_zone: "Europe/Berlin",     // fields as of Definition; those at their defaults are left out
      body: {"text": "tidy up"},
    },
  },
}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import json5
import msgspec

from agentlog.errors import Refused
from agentlog.schedule_definition import FIELDS, Definition
from agentlog.schedule_firing import Schedule
from eventlog.errors import BadInput

HEADER = """\
// The schedules of an agentlog store. Edit and save: whoever watches this file takes over all of it, or says
// what is wrong and takes over nothing. Leave `position` as it is: what changed later is not overwritten.
"""
_PLACE = re.compile(r"^<string>:(\d+) (.*)$", re.DOTALL)


class Text(msgspec.Struct, frozen=True):
    """What stands in a file: how far in the log it knows (None: it does not say), and the schedules."""

    position: int | None
    schedules: dict[str, Definition]


class Standing(msgspec.Struct, frozen=True):
    """What stands in the log: a schedule (None: it was deleted), and the position that changed it last."""

    definition: Definition | None
    changed_position: int


def definition_of(schedule: Schedule) -> Definition:
    """Return what a schedule is, without what it did."""
    return Definition(**{name: getattr(schedule, name) for name in FIELDS})


def render(schedules: Mapping[str, Definition], position: int) -> str:
    """Return the text of some schedules, in order of their ids."""
    lines = [HEADER + "{", f"  position: {position},", "  schedules: {"]
    for id, definition in sorted(schedules.items()):
        lines.append(f"    {_json(id)}: {{")
        for field in msgspec.structs.fields(Definition):
            value = getattr(definition, field.name)
            if field.default is msgspec.NODEFAULT or value != field.default:
                lines.append(f"      {field.name}: {_json(value)},")
        lines.append("    },")
    return "\n".join([*lines, "  },", "}"]) + "\n"


def parse(text: str) -> Text:
    """Return what stands in a text. Raises BadInput, which says where it goes wrong."""
    try:
        value = json5.loads(text, allow_duplicate_keys=False)
    except ValueError as error:
        place = _PLACE.match(str(error))
        said = f"line {place[1]}: {place[2]}" if place else str(error)
        raise BadInput(f"the text is not JSON5: {said}", hint="mend it there and save it again") from error
    except RecursionError as error:
        raise BadInput("the text is nested too deeply to be read") from error
    members = _object(_joined(value), "the text", ("position", "schedules"))
    position = members.get("position")
    if position is not None and (isinstance(position, bool) or not isinstance(position, int) or position < 0):
        raise BadInput(f"position {position!r} must be a position of the log, as it was written there")
    schedules = members.get("schedules", {})
    if not isinstance(schedules, dict):
        raise BadInput("`schedules` must be an object: an id, and what the schedule is")
    return Text(position, {id: _definition(id, fields) for id, fields in schedules.items()})


def decide_import(
    text: Text, standing: Mapping[str, Standing]
) -> tuple[dict[str, Definition], Sequence[str]]:
    """Return which schedules a text sets, and which it deletes: what is not in it any more.

    Args:
        standing: what stands in the log, also what was deleted.
    Raises:
        Refused: something that the text would overwrite changed after it was written.
    """
    changed, stale = {}, []
    for id, definition in text.schedules.items():
        known = standing.get(id)
        if known is not None and known.definition is not None and same(known.definition, definition):
            continue
        if known is not None and (text.position is None or known.changed_position > text.position):
            stale.append(id)
        changed[id] = definition
    if stale:
        knows = "does not say what it knows" if text.position is None else f"knows position {text.position}"
        raise Refused(
            f"the text {knows}, and changed later were: {', '.join(map(repr, sorted(stale)))}",
            hint="move it away, have it written anew with `agentlog schedule export`, and edit that",
        )
    gone = [
        id
        for id, known in standing.items()
        if known.definition is not None
        and id not in text.schedules
        and text.position is not None
        and known.changed_position <= text.position
    ]
    return changed, sorted(gone)


def same(one: Definition, other: Definition) -> bool:
    """Whether two say the same, as JSON says it: 1, 1.0 and true are three values."""
    return _comparable([one]) == _comparable([other])


def _comparable(definitions: Iterable[Definition]) -> str:
    return json.dumps(
        [[getattr(one, name) for name in FIELDS] for one in definitions], sort_keys=True, default=str
    )


def _definition(id: str, fields: Any) -> Definition:
    what = f"schedule {id!r}"
    members = _object(fields, what, FIELDS)
    for name in ("late_s", "jitter_s"):
        if isinstance(members.get(name), int) and not isinstance(members[name], bool):
            members[name] = float(members[name])
    try:
        made = msgspec.convert({"body": None} | members, Definition)
    except msgspec.ValidationError as error:
        raise BadInput(f"{what}: {str(error)[0].lower()}{str(error)[1:]}") from error
    try:
        made.event()
    except BadInput as error:
        raise BadInput(f"{what}: {error}") from error
    return made


def _object(value: Any, what: str, names: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{what} must be an object, not {json.dumps(value, default=str)[:60]}")
    for name in value:
        if name not in names:
            raise BadInput(f"{what} has a field {name!r}", hint=f"there are {', '.join(names)}")
    return dict(value)


def _joined(value: Any) -> Any:
    """Return the value with pairs of surrogates that were written as escapes joined, as JSON has it."""
    try:
        return json.loads(json.dumps(value))
    except RecursionError as error:
        raise BadInput("the text is nested too deeply to be read") from error


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates: as escapes
        return json.dumps(value)
    return text
