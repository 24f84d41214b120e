"""Compare projection tables with the fold of the log, and write rows as the log says they are.

Rows travel as JSON and become columns in Postgres, by the same conversion as in the append
function; they are compared there as well. So a difference is never one of two notations. Nothing
here is written unless `write_rows` is called, and no transaction begins or ends here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg
import msgspec
from msgspec import Raw

from eventlog.envelope import StreamId
from eventlog.projection import STANDARD_COLUMNS, InlineProjection
from replay.fold_all import FoldAll
from replay.report import Finding, Progress
from replay.shares import WHOLE, Share
from replay.statements import filled

CHUNK_BYTES = 512 * 1024
CHUNK_STREAMS = 2_000
STREAMS_PAGE = 10_000
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
BY_RANGE = "stream_id > $2::bigint AND stream_id <= $3::bigint"
BY_ID = "stream_id = ANY($2::bigint[])"

_columns = msgspec.json.Decoder(dict[str, Raw])


class Difference(NamedTuple):
    """One row that is not what the log says. `live` or `said` is None where there is no such row."""

    projection: InlineProjection
    stream_id: int
    live: Mapping[str, Raw] | None
    said: Mapping[str, Raw] | None

    @property
    def row(self) -> Mapping[str, Raw]:
        row = self.live if self.said is None else self.said
        assert row is not None
        return row

    @property
    def stream(self) -> StreamId:
        tenant, key = (msgspec.json.decode(self.row[name], type=str) for name in ("tenant", "key"))
        return StreamId(tenant, self.projection.kind, key)

    def columns(self) -> dict[str, tuple[Any, Any]]:
        """Return (live value, value from the log) of each column that differs."""
        if self.live is None or self.said is None:
            return {}
        return {
            name: (_value(self.live[name]), _value(self.said[name]))
            for name in self.said
            if bytes(self.live[name]) != bytes(self.said[name])
        }

    def finding(self) -> Finding:
        """Return it in words."""
        name, columns = self.projection.name, self.columns()
        parts = [f"{field} {bytes(self.row[field]).decode()}" for field in self.projection.row_key]
        where = ", ".join([f"the row of {self.stream}", *parts])
        if self.live is None:
            problem = f"{name} lacks {where}, which the log says is there"
        elif self.said is None:
            problem = f"{name} has {where}, which the log says is not there"
        else:
            told = "; ".join(
                f"{column} is {live!r}, the log says {said!r}" for column, (live, said) in columns.items()
            )
            problem = f"{name}, {where}: {told}"
        values: dict[str, Any] = {"stream_id": self.stream_id}
        if columns:
            values["columns"] = {column: {"live": a, "log": b} for column, (a, b) in columns.items()}
        else:
            values["row"] = {column: _value(raw) for column, raw in self.row.items()}
        return Finding(area="projections", problem=problem, stream=self.stream, where=name, values=values)


async def read_streams(
    connection: asyncpg.Connection, schema: str, after: int = _LOWEST
) -> tuple[dict[StreamId, tuple[int, int]], int]:
    """Return (id, version) of every stream whose id is above `after`, by identity, and the highest id."""
    found: dict[StreamId, tuple[int, int]] = {}
    statement = filled("streams_after", schema=schema)
    while page := await connection.fetch(statement, after, STREAMS_PAGE):
        for row in page:
            found[StreamId(row["tenant"], row["kind"], row["key"])] = (row["id"], row["version"])
        after = page[-1]["id"]
    return found, after


async def differences(
    connection: asyncpg.Connection,
    schema: str,
    fold: FoldAll,
    projection: InlineProjection,
    ids: Mapping[StreamId, int],
    only: Sequence[StreamId] | None = None,
    share: Share = WHOLE,
) -> AsyncIterator[Difference]:
    """Yield every row of a table that is not what the fold says.

    Args:
        ids: stream ids by identity. Streams of the fold that have none are left out.
        only: compare the rows of these streams alone; None compares the whole table.
        share: of which the fold is, and the rows that are compared.
    """
    by_range = f"{BY_RANGE} AND {share.condition('stream_id')}"
    statement = filled_for("differing_rows", schema, projection, by_range if only is None else BY_ID)
    if only is None:
        wanted = [folded.stream for folded in fold.of_kind(projection.kind)]
    else:
        wanted = [stream for stream in only if stream.kind == projection.kind]
    streams = sorted([(ids[stream], stream) for stream in wanted if stream in ids])
    after = _LOWEST
    for chunk, rows, last in row_chunks(fold, projection, streams):
        until = _HIGHEST if last else chunk[-1][0]
        arguments = (after, until) if only is None else ([id for id, _ in chunk],)
        for row in await connection.fetch(statement, rows, *arguments):
            live = _columns.decode(row["live"]) if row["live"] else None
            said = _columns.decode(row["said"]) if row["said"] else None
            either = said or live
            assert either is not None, "a full join gives at least one side"
            yield Difference(projection, int(bytes(either["stream_id"])), live, said)
        after = until


async def compare_tables(
    connection: asyncpg.Connection,
    schema: str,
    fold: FoldAll,
    projections: Sequence[InlineProjection],
    ids: Mapping[StreamId, int],
    tell: Progress,
    findings_max: int,
    share: Share = WHOLE,
) -> tuple[list[Finding], dict[str, set[int]]]:
    """Return what differs, as findings and as stream ids by table. The fold stands where the tables do.

    Beyond `findings_max` rows of one table the rest are counted in one finding.
    """
    found: list[Finding] = []
    wrong: dict[str, set[int]] = {}
    for done, projection in enumerate(projections):
        tell("compare", done, len(projections))
        count = 0
        try:
            async with connection.transaction():
                async for difference in differences(connection, schema, fold, projection, ids, share=share):
                    wrong.setdefault(projection.name, set()).add(difference.stream_id)
                    count += 1
                    if count <= findings_max:
                        found.append(difference.finding())
        except (asyncpg.SyntaxOrAccessError, asyncpg.DataError) as error:
            found.append(
                Finding(
                    area="projections",
                    problem=f"{projection.name} cannot be compared: {error.args[0]}",
                    where=projection.name,
                )
            )
        if count > findings_max:
            problem = (
                f"{projection.name} has {count - findings_max:,} more rows that are not what the log says"
            )
            found.append(Finding(area="projections", problem=problem, where=projection.name))
    tell("compare", len(projections), len(projections))
    return found, wrong


async def write_rows(
    connection: asyncpg.Connection,
    schema: str,
    fold: FoldAll,
    projection: InlineProjection,
    ids: Mapping[StreamId, int],
    stream_ids: set[int],
) -> None:
    """Make the rows of some streams what the fold says; what else stands under these ids is removed."""
    delete = filled_for("delete_rows", schema, projection)
    insert = filled_for("insert_rows", schema, projection)
    wanted = sorted(stream_ids)
    for at in range(0, len(wanted), CHUNK_STREAMS):
        await connection.execute(delete, wanted[at : at + CHUNK_STREAMS])
    streams = sorted(
        (id, stream)
        for stream, id in ids.items()
        if id in stream_ids and stream.kind == projection.kind and stream in fold.streams
    )
    for _, rows, _ in row_chunks(fold, projection, streams):
        if rows != "[]":
            await connection.execute(insert, rows)


def row_chunks(
    fold: FoldAll, projection: InlineProjection, streams: Sequence[tuple[int, StreamId]]
) -> Iterator[tuple[Sequence[tuple[int, StreamId]], str, bool]]:
    """Yield (streams, their rows as a JSON array, whether it is the last chunk); at least one chunk.

    `streams`: of the fold, by id and in its order.
    """
    begin, rows, length = 0, list[bytes](), 0
    for at, made in enumerate(fold.rows_json(projection, streams)):
        if rows and (length > CHUNK_BYTES or at - begin >= CHUNK_STREAMS):
            yield streams[begin:at], _array(rows), False
            begin, rows, length = at, [], 0
        if made:
            rows += made
            length += sum(map(len, made))
    yield streams[begin:], _array(rows), True


def _array(rows: Sequence[bytes]) -> str:
    return (b"[%b]" % b",".join(rows)).decode()


def filled_for(name: str, schema: str, projection: InlineProjection, range: str = "") -> str:
    """Return one of the queries about a projection's table, its names filled in.

    Args:
        range: which streams "differing_rows" looks at: BY_RANGE or BY_ID.
    """
    columns = [*STANDARD_COLUMNS, *projection.state.__struct_fields__]
    same_key = " AND ".join(f"said.{key} = live.{key}" for key in ("stream_id", *projection.row_key))
    return filled(
        name,
        schema=schema,
        table=projection.name,
        columns=", ".join(columns),
        same_key=same_key,
        range=range,
    )


def _value(raw: Raw) -> Any:
    """Return a column's value for people: numbers to the digit, as Postgres writes them."""
    text = bytes(raw)
    return msgspec.json.decode(text) if text[:1] in b'"[{ntf' else text.decode()
