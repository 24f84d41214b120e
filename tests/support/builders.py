"""A small vocabulary of its own for tests of the log: events, inline projections, opened logs. No test.

The log knows no noun, so its tests bring theirs: streams of kind `story`, on which something is
`said`, a page is `turned`, a thing is `noted` that nothing folds. `spoiled` is an event whose fold
breaks its promise and raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from eventlog.clock import Clock, Ids, SystemClock
from eventlog.command import Command
from eventlog.embedded.server import EmbeddedPostgres
from eventlog.envelope import Event, NewEvent, StreamId, encode_meta, new_event
from eventlog.io import Io
from eventlog.log import Log
from eventlog.payload import decode_payload
from eventlog.projection import Foldable, InlineProjection
from eventlog.settings import Settings

STORY = "story"
IDS = Ids(SystemClock())


def story(key: str = "one", tenant: str = "acme") -> StreamId:
    return StreamId(tenant, STORY, key)


def said(stream: StreamId, text: Any = "", *, id: str | None = None, **fields: Any) -> NewEvent:
    """An event that both projections fold."""
    return new_event(stream, "said", {"text": text}, id=id or IDS.next(), **fields)


def turned(stream: StreamId) -> NewEvent:
    """An event that begins the next chapter."""
    return new_event(stream, "turned", None, id=IDS.next())


def noted(stream: StreamId, **meta: Any) -> NewEvent:
    """An event that no projection folds."""
    return new_event(stream, "noted", None, id=IDS.next(), meta=encode_meta(meta))


def spoiled(stream: StreamId) -> NewEvent:
    """An event whose fold raises."""
    return new_event(stream, "spoiled", None, id=IDS.next())


def saying(stream: StreamId, *texts: str, expected: int | None = None, **fields: Any) -> Command:
    """A command that says `texts` on one stream, which is `expected` at a version."""
    wanted = {} if expected is None else {stream: expected}
    return Command([said(stream, text) for text in texts or ("",)], expected=wanted, **fields)


class Tally(msgspec.Struct, frozen=True):
    """One row per story: how much was said, and what last."""

    count: int = 0
    last: str = ""


class Chapter(msgspec.Struct, frozen=True):
    """One row per chapter of a story."""

    chapter: int = 0
    lines: int = 0


def tally(state: Tally | None, event: Foldable, version: int) -> Tally:
    if event.type == "spoiled":
        raise RuntimeError("this fold is not total")
    text = decode_payload(event.data, event.encoding)["text"]
    return Tally((state or Tally()).count + 1, str(text).encode("utf-8", "replace").decode())


def chapter(state: Chapter | None, event: Foldable, version: int) -> Chapter:
    now = state or Chapter()
    if event.type == "turned":
        return Chapter(now.chapter + 1, 0)
    return Chapter(now.chapter, now.lines + 1)


class Projection:
    """An inline projection of `state`, with its SQL made from the struct's fields."""

    version = 1
    kind = STORY

    def __init__(
        self,
        name: str,
        state: type[msgspec.Struct],
        evolve: Any,
        types: Iterable[str],
        row_key: tuple[str, ...] = (),
    ) -> None:
        self.name, self.state, self.evolve, self.types = name, state, evolve, frozenset(types)
        self.begins, self.row_key = frozenset[str](), row_key
        fields = {field.name: field.type for field in msgspec.structs.fields(state)}
        columns = ", ".join(
            f"{column} {'bigint' if kind is int else 'text'}" for column, kind in fields.items()
        )
        key = ", ".join(("stream_id", *row_key))
        self.table_sql = f"""
            CREATE TABLE {{schema}}.{name} (
                stream_id bigint, version bigint, first_position bigint, first_time timestamptz,
                last_position bigint, last_time timestamptz, tenant text, key text, {columns},
                PRIMARY KEY ({key}))"""
        changing = ["version", "last_position", "last_time", *fields]
        changes = ", ".join(f"{column} = excluded.{column}" for column in changing)
        self.upsert_sql = f"""
            INSERT INTO {{schema}}.{name}
            SELECT stream_ids[r.s], r.version, positions[r.f], accepted_at, positions[r.l], accepted_at,
                   s_tenant[r.s], s_key[r.s], {", ".join(f"r.{column}" for column in fields)}
              FROM json_to_recordset(rows)
                   AS r (s integer, f integer, l integer, version bigint, {columns})
             WHERE positions[r.l] IS NOT NULL
            ON CONFLICT ({key}) DO UPDATE SET {changes}"""
        self.load_sql = f"""
            SELECT DISTINCT ON (stream_id) stream_id, json_build_object(
                   {", ".join(f"'{column}', {column}" for column in fields)})::text AS state
              FROM {{schema}}.{name} WHERE stream_id = ANY ($1) ORDER BY stream_id, version DESC"""


TALLIES: InlineProjection = Projection("tallies", Tally, tally, ("said", "spoiled"))
CHAPTERS: InlineProjection = Projection("chapters", Chapter, chapter, ("said", "turned"), ("chapter",))
PROJECTIONS = (TALLIES, CHAPTERS)


async def open_log(
    server: EmbeddedPostgres | Mapping[str, Any] | str,
    schema: str,
    data: Path,
    *,
    projections: Sequence[InlineProjection] = PROJECTIONS,
    migrate: bool = True,
    io: Io | None = None,
    clock: Clock | None = None,
    progress: Callable[[int], None] | None = None,
    **settings: Any,
) -> Log:
    """Open a log for a test: small waits, a schema of its own, the schema made when missing."""
    values = Settings(**{"schema": schema, "poll_interval_s": 0.05, "command_timeout_s": 20.0, **settings})
    target = server.connection if isinstance(server, EmbeddedPostgres) else server
    return await Log.open(
        data,
        target,
        projections=projections,
        settings=values,
        migrate=migrate,
        io=io,
        clock=clock,
        progress=progress,
    )


async def verdicts(log: Log, *commands: Command) -> list[Any]:
    """Append all at once; a Receipt or an exception each, in order."""
    return await asyncio.gather(*map(log.append, commands), return_exceptions=True)


async def whole(log: Log, after: int = 0) -> list[Event]:
    """Every event of the log, in order."""
    return [event async for block in log.read(after) for event in block]


def plain_fold(
    events: Iterable[Event], projection: InlineProjection
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The rows a projection's table must hold after `events`, by identity and row key: one plain fold."""
    states: dict[StreamId, Any] = {}
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for event in events:
        if event.type not in projection.types or event.stream.kind != projection.kind:
            continue
        state = projection.evolve(states.get(event.stream_id), event, event.version)
        if state is states.get(event.stream_id):
            continue
        states[event.stream_id] = state
        identity = (event.tenant, event.stream.key, *(getattr(state, name) for name in projection.row_key))
        row = rows.setdefault(identity, {"first_position": event.position})
        row |= {"version": event.version, "last_position": event.position}
        # Text columns show U+FFFD for NUL, which they cannot hold.
        for name, value in msgspec.structs.asdict(state).items():
            row[name] = value.replace("\x00", "\ufffd") if isinstance(value, str) else value
    return rows


async def table(log: Log, projection: InlineProjection) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The rows a projection's table holds, in the shape of `plain_fold`."""
    found = {}
    for record in await log.reads.fetch(f"SELECT * FROM {{schema}}.{projection.name}"):
        row = dict(record)
        for column in ("stream_id", "first_time", "last_time"):
            del row[column]
        identity = (row.pop("tenant"), row.pop("key"), *(row[name] for name in projection.row_key))
        found[identity] = row
    return found


async def assert_whole(log: Log) -> list[Event]:
    """Return all events, having checked what holds for every log: order, copies, chain, projections."""
    events = await whole(log)
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert [event.time for event in events] == sorted(event.time for event in events)
    versions: dict[StreamId, int] = {}
    for event in events:
        versions[event.stream_id] = versions.get(event.stream_id, 0) + 1
        assert event.version == versions[event.stream_id]
    assert len({event.id for event in events}) == len(events), "an event was appended twice"
    stored = await log.reads.page(0, len(events) + 1, len(events) + 1)
    segment = b"".join(lines for _, lines in log.segments.read_raw())
    lines = b"".join(row.line for row in stored)
    assert lines.startswith(segment), "the segments hold something else than Postgres"
    chain = bytes(32)
    for row in stored:
        chain = row.chain_from(chain)
        assert row.chain in (None, chain)
    head = await log.head()
    assert (head.position, head.chain) == (len(events), chain)
    for projection in log.projections:
        assert await table(log, projection) == plain_fold(events, projection)
    return events
