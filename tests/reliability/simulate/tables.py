"""What a Postgres server holds for one log, and what its append functions do with it.

The rules of eventlog/postgres/functions/append.sql and append_one.sql on Python values: a test runs
the same commands against both. Parameters are found by the names that the SQL files give them, so
that their order there is their order here. Nothing waits and nothing fails here; server.py does.
"""

from __future__ import annotations

import itertools
import re
import struct
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from eventlog.envelope import CHAIN_START, NewEvent, StreamId, encode_line, us_to_time
from eventlog.postgres.sql import Statements, text
from eventlog.projection import InlineProjection, signature

_PLACE = struct.Struct(">qqq")


class OtherWriterSet(Exception):
    """The caller's epoch or projections are not the log's: SQLSTATE AL002."""


class Row(NamedTuple):
    """One row of the table of events, with its stream's identity instead of the id."""

    position: int
    stream: StreamId
    version: int
    type: str
    schema: int
    id: str
    time_us: int
    occurred_at: str | None
    encoding: str | None
    compressed: bool
    data: bytes
    meta: bytes
    hash: bytes
    chain: bytes | None

    def line(self) -> bytes:
        """The event as it stands in a segment. Runs keep payloads below the size that is compressed."""
        assert not self.compressed
        new = NewEvent(
            self.stream, self.type, self.schema, self.id, self.occurred_at, self.encoding,
            self.data, self.meta, self.hash,
        )  # fmt: skip
        return encode_line(new, self.position, self.version, us_to_time(self.time_us))


class Key(NamedTuple):
    """What an idempotency key stands for."""

    first_position: int
    event_count: int
    expires_us: int


class Tables:
    """The tables of one log."""

    def __init__(self, projections: Sequence[InlineProjection], log_id: uuid.UUID) -> None:
        self.log_id = log_id
        self.time_us = 0
        self.chain = CHAIN_START
        self.epoch = 1
        self.folds = {projection.name: projection for projection in projections}
        self.projections = signature(projections)
        self.streams: dict[StreamId, tuple[int, int]] = {}  # id, version
        self.events: list[Row] = []
        self.keys: dict[tuple[str, str], Key] = {}
        self.mirrors: dict[uuid.UUID, int] = {}
        self.rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {name: {} for name in self.folds}
        self._ids = itertools.count(1)

    @property
    def position(self) -> int:
        return len(self.events)

    def append(
        self, statement: str, arguments: Sequence[Any], now_us: int
    ) -> tuple[list[str], tuple[Any, ...]]:
        """Run `append` or `append_one`; return the names and the values of its result row."""
        taken = _parameters(statement)
        values = {
            name: _read(kind, value) for (name, kind), value in zip(taken.given, arguments, strict=True)
        }
        self._check_caller(values)
        batch = _one_as_many(values) if statement == "append_one" else values
        result = self._append(batch, now_us)
        if statement == "append_one":
            result = self._result_of_one(values, result)
        return taken.returned, tuple(result.get(name) for name in taken.returned)

    def _check_caller(self, values: Mapping[str, Any]) -> None:
        if (values["caller_epoch"], values["caller_projections"]) != (self.epoch, self.projections):
            raise OtherWriterSet(f"epoch {self.epoch} with projections {self.projections!r}")

    def _append(self, batch: Mapping[str, Any], now_us: int) -> dict[str, Any]:
        accepted_us = max(now_us, self.time_us)
        streams = [StreamId(*i) for i in zip(batch["s_tenant"], batch["s_kind"], batch["s_key"], strict=True)]
        known = [self.streams.get(stream) for stream in streams]
        if None not in batch["s_id"]:
            by_id = {found[0]: found for found in self.streams.values()}
            known = [by_id.get(id) for id in batch["s_id"]]
        actual = [found[1] if found else 0 for found in known]
        ids = [found[0] if found else None for found in known]
        result: dict[str, Any] = {"chain_before": self.chain, "time_us": accepted_us}
        refused = self._refusals(batch, actual, ids, accepted_us, result)
        result["first_position"] = self.position + 1
        result["refused"] = sorted(refused) or None
        positions, chain = self._places(batch, refused, accepted_us)
        result["chain_after"] = chain
        accepted = [n for n, position in enumerate(positions) if position is not None]
        result["stream_ids"] = ids
        if not accepted:
            return result
        for n, stream in enumerate(streams):
            if batch["s_group"][n] in refused or batch["s_after"][n] <= batch["s_version"][n]:
                continue
            if ids[n] is None:
                ids[n] = next(self._ids)
            self.streams[stream] = (ids[n] or 0, batch["s_after"][n])
        self._insert(batch, streams, positions, accepted, accepted_us, chain)
        self._keep_keys(batch, positions, accepted_us)
        self._upsert(batch, streams, positions, ids)
        self.time_us, self.chain = accepted_us, chain
        durable = batch["mirror_position"]
        if durable is not None and self.mirrors.get(batch["mirror"], durable) < durable:
            self.mirrors[batch["mirror"]] = durable
        return result

    def _refusals(
        self,
        batch: Mapping[str, Any],
        actual: Sequence[int],
        ids: Sequence[int | None],
        accepted_us: int,
        result: dict[str, Any],
    ) -> set[int]:
        stale = [n for n, version in enumerate(batch["s_version"]) if actual[n] != version]
        if stale:
            result["stale"] = [n + 1 for n in stale]
            result["stale_id"] = [ids[n] for n in stale]
            result["stale_version"] = [actual[n] for n in stale]
        keys = zip(batch["k_tenant"], batch["k_key"], strict=True)
        used = [
            (n, key)
            for n, name in enumerate(keys)
            if (key := self.keys.get(name)) is not None and key.expires_us > accepted_us
        ]
        if used:
            result["duplicate"] = [n + 1 for n, _ in used]
            result["duplicate_position"] = [key.first_position for _, key in used]
            result["duplicate_count"] = [key.event_count for _, key in used]
        return {batch["s_group"][n] for n in stale} | {batch["k_group"][n] for n, _ in used}

    def _places(
        self, batch: Mapping[str, Any], refused: set[int], accepted_us: int
    ) -> tuple[list[int | None], bytes]:
        positions: list[int | None] = []
        last, chain = self.position, self.chain
        for n, slot in enumerate(batch["e_stream"]):
            if batch["s_group"][slot - 1] in refused:
                positions.append(None)
                continue
            last += 1
            positions.append(last)
            place = _PLACE.pack(last, batch["e_version"][n], accepted_us)
            chain = sha256(chain + place + batch["hashes"][n * 32 : n * 32 + 32]).digest()
        return positions, chain

    def _insert(
        self,
        batch: Mapping[str, Any],
        streams: Sequence[StreamId],
        positions: Sequence[int | None],
        accepted: Sequence[int],
        accepted_us: int,
        chain: bytes,
    ) -> None:
        contents, places = (
            batch["contents"],
            zip(batch["e_start"], batch["e_data"], batch["e_meta"], strict=True),
        )
        parts = [
            (contents[at - 1 : at - 1 + data], contents[at - 1 + data : at - 1 + data + meta])
            for at, data, meta in places
        ]
        for n in accepted:
            self.events.append(
                Row(
                    positions[n] or 0, streams[batch["e_stream"][n] - 1], batch["e_version"][n],
                    batch["e_type"][n], batch["e_schema"][n], batch["e_id"][n], accepted_us,
                    batch["e_occurred_at"][n], batch["e_encoding"][n], batch["e_compressed"][n],
                    *parts[n], batch["hashes"][n * 32 : n * 32 + 32],
                    chain if n == accepted[-1] else None,
                )
            )  # fmt: skip
            # Invariant: positions have no gap, whatever was asked.
            assert self.events[-1].position == self.position

    def _keep_keys(self, batch: Mapping[str, Any], positions: Sequence[int | None], accepted_us: int) -> None:
        if not batch["k_key"]:
            return
        for n, name in enumerate(zip(batch["k_tenant"], batch["k_key"], strict=True)):
            first = positions[batch["k_first"][n] - 1]
            if first is not None:
                expires_us = accepted_us + int(batch["k_ttl"].total_seconds() * 1_000_000)
                self.keys[name] = Key(first, batch["k_count"][n], expires_us)
        expired = sorted(
            (key.expires_us, name) for name, key in self.keys.items() if key.expires_us < accepted_us
        )
        for _, name in expired[: 2 * len(batch["k_key"])]:
            del self.keys[name]

    def _upsert(
        self,
        batch: Mapping[str, Any],
        streams: Sequence[StreamId],
        positions: Sequence[int | None],
        ids: Sequence[int | None],
    ) -> None:
        for name, rows in zip(batch["row_tables"], batch["row_texts"], strict=True):
            for row in msgspec.json.decode(rows):
                last = positions[row.pop("l") - 1]
                slot, first = row.pop("s"), positions[row.pop("f") - 1]
                if last is None:
                    continue
                key = (ids[slot - 1], *(row[column] for column in self.folds[name].row_key))
                before = self.rows[name].get(key, {"first_position": first})
                stream = streams[slot - 1]
                self.rows[name][key] = {
                    **before, **row, "last_position": last, "tenant": stream.tenant, "key": stream.key
                }  # fmt: skip

    def _result_of_one(self, values: Mapping[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        if result["refused"]:
            stream = StreamId(values["p_tenant"], values["p_kind"], values["p_key"])
            id, version = self.streams.get(stream, (None, 0))
            return {**result, "time_us": None, "chain_after": None, "stream_id": id, "stale_version": version}
        return {**result, "stream_id": result["stream_ids"][0]}


class _Parameters(NamedTuple):
    """Of one function: what it is given, in the order of the statement, and the names it returns."""

    given: list[tuple[str, str]]
    returned: list[str]


@cache
def _parameters(statement: str) -> _Parameters:
    function, query = text("functions", statement), getattr(Statements("agentlog"), statement)
    function = function[function.index("CREATE OR REPLACE FUNCTION") :]
    head = function[function.index("(") + 1 : function.index(")\nLANGUAGE")]
    words = [part.split() for part in head.split(",")]
    names = [(word[0], word[1]) for word in words if word[0] != "OUT"]
    numbers = [int(number) for number in re.findall(r"\$(\d+)", query[query.index("SELECT") :])]
    assert len(names) == len(numbers), "one parameter each"
    given = dict(zip(numbers, names, strict=True))
    return _Parameters([given[n] for n in sorted(given)], [word[1] for word in words if word[0] == "OUT"])


def _read(kind: str, value: Any) -> Any:
    """Return a value as Python has it; arrays may have come as literals."""
    if not kind.endswith("[]") or not isinstance(value, str):
        return value
    items = [_item(quoted, plain) for quoted, plain in _ITEM.findall(value[1:-1])]
    convert = _CONVERT.get(kind)
    return [item if item is None or convert is None else convert(item) for item in items]


_ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))\s*(?:,|$)', re.DOTALL)
_CONVERT: dict[str, Any] = {
    "integer[]": int, "bigint[]": int, "smallint[]": int, "boolean[]": lambda item: item == "t"
}  # fmt: skip


def _item(quoted: str, plain: str) -> str | None:
    if plain:
        return None if plain == "NULL" else plain
    return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)


def _one_as_many(values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of `append_one` as those of `append`: both do the same."""
    version = values["p_version"]
    return {
        # With a version the stream is looked up by its id, without by its identity.
        "s_group": [1], "s_tenant": [values["p_tenant"]], "s_kind": [values["p_kind"]],
        "s_key": [values["p_key"]], "s_id": [values["p_stream_id"] if version else None],
        "s_version": [version], "s_after": [version + 1],
        "k_group": [], "k_tenant": [], "k_key": [], "k_first": [], "k_count": [], "k_ttl": None,
        "e_stream": [1], "e_version": [version + 1],
        "e_type": [values["p_type"]], "e_schema": [values["p_schema"]], "e_id": [values["p_id"]],
        "e_occurred_at": [values["p_occurred_at"]], "e_encoding": [values["p_encoding"]],
        "e_compressed": [values["p_compressed"]], "contents": values["p_data"] + values["p_meta"],
        "e_start": [1], "e_data": [len(values["p_data"])], "e_meta": [len(values["p_meta"])],
        "hashes": values["p_hash"], "row_tables": values["row_tables"], "row_texts": values["row_texts"],
        "mirror": values["mirror"], "mirror_position": values["mirror_position"],
    }  # fmt: skip
