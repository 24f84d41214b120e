"""Put right in Postgres what the segments prove to be otherwise: rows, streams, head, projections.

One transaction under the gate, as the owner of the tables. What is replaced is kept in quarantine/
before. Nothing is decided here: the examination says what is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import asyncpg

from eventlog.envelope import StreamId, decode_lines, unplaced, us_to_time
from eventlog.errors import CopiesDisagree, MirrorUnavailable
from eventlog.postgres.sql import gate_key
from eventlog.postgres.stored import take_times_as_text
from eventlog.projection import signature
from replay.blocks import readable_blocks
from replay.examine import Examination
from replay.quarantine import keep_lines
from replay.records import Record, RecordMaker, copy_events, copy_streams
from replay.report import Finding, no_progress
from replay.statements import filled
from replay.tables import compare_tables, read_streams, write_rows

RECORDS_AT_ONCE = 2_000
_GUARDED = ("events", "streams")


class PostgresRepair:
    """One repair.

    Attributes:
        rows: positions whose rows were written anew.
        tables: projection tables in which rows were put right.
        kept: files in quarantine/.
    """

    def __init__(self, examination: Examination, findings: list[Finding]) -> None:
        self.rows: list[int] = []
        self.tables: list[str] = []
        self.kept: list[str] = []
        self._examination = examination
        self._site = examination.site
        self._schema = examination.site.settings.schema
        self._keys = [finding.values for finding in findings if finding.area == "keys"]

    async def run(self, connection: asyncpg.Connection) -> None:
        """Repair, all or nothing.

        Raises:
            CopiesDisagree: events were appended since the examination, or the log is another one.
        """
        copies = self._examination.copies
        async with connection.transaction():
            await connection.execute(filled("take_gate"), gate_key(self._schema))
            await self._check_unmoved(connection)
            await take_times_as_text(connection)
            for table in _GUARDED:
                await connection.execute(filled("guards_off", schema=self._schema, table=table))
            ids = await self._fill_streams(connection)
            await self._write_events(connection, ids)
            for position, chain in copies.wrong_chains.items():
                await connection.execute(filled("set_chain", schema=self._schema), position, chain)
            await self._write_keys(connection)
            await self._write_projections(connection, ids)
            time = us_to_time(copies.time_us or 0)
            await connection.execute(
                filled("set_head", schema=self._schema),
                self._site.log_id, copies.position, time, copies.chain,
            )  # fmt: skip
            for table in _GUARDED:
                await connection.execute(filled("guards_on", schema=self._schema, table=table))

    async def _check_unmoved(self, connection: asyncpg.Connection) -> None:
        """Refuse when somebody appended since: what was examined is no longer what stands there."""
        head = await connection.fetchrow(self._site.reads.statements.head)
        copies, log_id = self._examination.copies, self._site.log_id
        foreign = head is None or (head["log_id"] != log_id and not copies.alike)
        if foreign or head != self._examination.head:
            found = f"log {head['log_id']} up to position {head['position']}" if head else "no head"
            raise CopiesDisagree(
                f"Postgres holds {found}; what was examined is log {log_id} up to {copies.position}",
                hint="close the log everywhere, then repair again; nothing was changed",
                first_position=1,
                last_position=copies.position,
                where="events",
            )

    async def _write_keys(self, connection: asyncpg.Connection) -> None:
        """Make idempotency keys that were found wrong or missing what the events note."""
        lifetime = timedelta(seconds=self._site.settings.idempotency_ttl_s)
        for tenant, key in ((values["tenant"], values["key"]) for values in self._keys):
            await connection.execute(filled("delete_key", schema=self._schema), tenant, key)
            noted = self._examination.keys.noted.get((tenant, key))
            if noted is not None:
                statement = filled("restore_key", schema=self._schema)
                await connection.execute(statement, tenant, key, *noted, lifetime)

    async def _fill_streams(self, connection: asyncpg.Connection) -> dict[StreamId, int]:
        """Make the table of streams what the events say; return the ids."""
        folded, misnamed = self._examination.fold.streams, self._examination.copies.misnamed
        streams, highest = await read_streams(connection, self._schema)
        # What has no event, or another name than its events, makes way first: names are unique.
        rightful = {found.said: id for id, found in misnamed.items()}
        going = [
            (id, stream)
            for stream, (id, _) in streams.items()
            if stream not in folded or id in misnamed or rightful.get(stream, id) != id
        ]
        if going:
            lines = [f"{id} {stream!r}" for id, stream in going]
            self.kept.append(await asyncio.to_thread(keep_lines, self._site, "postgres-streams", lines))
            statement = filled("delete_streams", schema=self._schema)
            await connection.execute(statement, [id for id, _ in going])
        ids = {stream: id for stream, (id, _) in streams.items() if (id, stream) not in set(going)}
        wrong = [stream for stream in ids if streams[stream][1] != folded[stream].version]
        await connection.execute(
            filled("set_stream_version", schema=self._schema),
            [ids[stream] for stream in wrong],
            [folded[stream].version for stream in wrong],
        )
        coming = dict(rightful)
        unknown = [stream for stream in folded if stream not in ids and stream not in coming]
        highest = max([highest, 0, *misnamed])
        coming |= {stream: id for id, stream in enumerate(unknown, highest + 1)}
        await copy_streams(
            connection, self._schema, [(id, stream, folded[stream].version) for stream, id in coming.items()]
        )
        return ids | coming

    async def _write_events(self, connection: asyncpg.Connection, ids: dict[StreamId, int]) -> None:
        """Replace wrong rows and add missing ones, from the lines of the segments."""
        copies = self._examination.copies
        self.rows = sorted(copies.wrong_rows)
        strays = self._examination.strays
        changed = sorted(copies.wrong_rows.union(copies.wrong_chains, strays))
        for at in range(0, len(changed), RECORDS_AT_ONCE):
            some = changed[at : at + RECORDS_AT_ONCE]
            rows = await connection.fetch(filled("rows_at", schema=self._schema), some)
            if rows:
                lines = [row["row"] for row in rows]
                self.kept.append(await asyncio.to_thread(keep_lines, self._site, "postgres-events", lines))
        await connection.execute(filled("delete_events", schema=self._schema), [*self.rows, *strays])
        records, written = self._records(ids), 0
        while some_records := await asyncio.to_thread(_take, records, RECORDS_AT_ONCE):
            await copy_events(connection, self._schema, some_records)
            written += len(some_records)
        # Invariant: what is removed comes back, or the transaction does not commit.
        if written != len(self.rows):
            raise MirrorUnavailable(
                f"{len(self.rows) - written} events that the segments had cannot be read from them any more",
                hint="nothing was changed; see to the disk, then repair again",
            )

    def _records(self, ids: dict[StreamId, int]) -> Iterator[Record]:
        """Yield the rows of wrong positions as the segments, or (the hash alone) both copies, have them."""
        wrong, site = self._examination.copies.wrong_rows, self._site
        if not wrong:
            return
        assert site.log_id is not None
        maker = RecordMaker(site.settings)
        for block in readable_blocks(site.io, site.segments, site.log_id, max(wrong)):
            first, last = block.header.first_position, block.header.last_position
            for position in range(first, last + 1):
                if position in wrong:
                    event = decode_lines(block.lines[position - first])[0]
                    new = unplaced(event)
                    chain = block.header.chain_after if position == last else None
                    yield maker.record(event, ids[new.stream], new.hash, chain)

    async def _write_projections(self, connection: asyncpg.Connection, ids: dict[StreamId, int]) -> None:
        site, fold = self._site, self._examination.fold
        stored = await connection.fetchval(filled("head_projections", schema=self._schema))
        if stored != signature(site.projections):
            return  # tables of another release, or such as have yet to be rebuilt: `migrate` is for these
        _, wrong = await compare_tables(connection, self._schema, fold, site.projections, ids, no_progress, 0)
        for projection in site.projections:
            if wrong.get(projection.name):
                self.tables.append(projection.name)
                await write_rows(connection, self._schema, fold, projection, ids, wrong[projection.name])


def _take(records: Iterator[Record], count: int) -> list[Record]:
    """Return some of the records; in a thread, for it reads files."""
    return [record for _, record in zip(range(count), records, strict=False)]
