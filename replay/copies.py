"""Compare the two copies of the log, event by event, and tell which of them is wrong. Pure.

For each position there is a row, a line of a readable block, both or neither. Equal bytes with a
right hash and a right chain are fine. Where they differ, a copy is believed that proves itself: a
row by its hash, a block by its chain. `best` is what the log holds as far as either copy can prove
it; positions that neither has are `lost`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from eventlog.envelope import CHAIN_START, Event, StreamId, chain_hash, decode_lines, time_to_us, unplaced
from replay.blocks import ReadBlock
from replay.report import Finding, positions
from replay.rows import StoredRow
from replay.spans import Spans

_fields = msgspec.json.Decoder(dict[str, Raw])


class Line(NamedTuple):
    """A line of the segments, and the block it stands in."""

    text: bytes
    block: ReadBlock


class Misnamed:
    """Events of one stream id whose stream is missing in Postgres, or has another identity there."""

    def __init__(self, live: StreamId | None, said: StreamId, position: int) -> None:
        self.live, self.said = live, said
        self.positions = array("Q", [position])


class Copies:
    """The comparison so far.

    Attributes:
        spans: findings about positions.
        wrong_rows: positions whose row in Postgres is missing or wrong while the segments have it.
        wrong_lines: positions whose line in the segments is missing or wrong while Postgres has it.
        lost: positions that neither copy has.
        wrong_chains: by position, the recomputed chain where Postgres keeps another value.
        misnamed: by stream id, streams that are missing in Postgres or named otherwise.
        diverged: first position from which both copies prove two different histories; else None.
        postgres_end: where Postgres says that it ends.
        alike: whether there is a position that both copies have alike: then they are of one log.
        position: as far as it got.
        chain: the chain after it; None behind lost positions, until a kept value is met.
    """

    def __init__(self, segments_end: int, unreadable: Iterable[tuple[int, int | None]]) -> None:
        self.spans = Spans()
        self.wrong_rows: set[int] = set()
        self.wrong_lines: set[int] = set()
        self.lost: list[int] = []
        self.wrong_chains: dict[int, bytes] = {}
        self.diverged: int | None = None
        self.misnamed: dict[int, Misnamed] = {}
        self.position = 0
        self.chain: bytes | None = CHAIN_START
        self._doubt: bytes | None = None  # another value the chain may have, until the next one kept
        self._rows_chain: bytes | None = CHAIN_START  # of what Postgres says, right or wrong
        self.time_us: int | None = None  # of the last event
        self._segments_end = segments_end
        self.postgres_end = 0
        self.alike = False
        self._unreadable = list(unreadable)
        self._named_well: dict[int, StreamId | None] = {}
        self._proven: dict[tuple[str, int], bool] = {}

    def compare(
        self, until: int, rows: Mapping[int, StoredRow], lines: Mapping[int, Line]
    ) -> Iterator[Event]:
        """Compare positions up to `until`; yield the best event of each."""
        for position in range(self.position + 1, until + 1):
            row, line = rows.get(position), lines.get(position)
            event: Event | None
            if row is not None and line is not None and row.line == line.text and not row.problem:
                self._named_well[row.stream_id] = row.stream
                self.alike = True
                event, hash = decode_lines(line.text)[0], row.hash
            else:
                event = self._odd(position, row, line)
                hash = unplaced(event).hash if event is not None else None
            self.position = position
            if event is None:
                self.lost.append(position)
                self.chain = self._doubt = None
            else:
                assert hash is not None
                self._follow(event, hash, row, line)
                yield event
        self._proven.clear()

    def finish(self) -> list[Finding]:
        """Return the findings, all of them; nothing is compared after this."""
        for id, misnamed in self.misnamed.items():
            self.spans.findings.append(_misnamed_finding(id, misnamed))
        if self.diverged is not None:
            problem = (
                f"from position {self.diverged} on Postgres and the segments tell different histories,"
                " and each proves its own: another backup was restored, or a standby took over"
            )
            self.spans.findings.append(
                Finding(area="copies", problem=problem, first_position=self.diverged, where="events")
            )
        return self.spans.finish()

    def _odd(self, position: int, row: StoredRow | None, line: Line | None) -> Event | None:
        """Name what is wrong with a position; return the event as the better copy has it."""
        if line is None:
            return self._without_line(position, row)
        said = _decoded(line) if self._proves(line.block) else None
        if row is None:
            return self._without_row(position, line, said)
        if row.line == line.text:
            return self._wrong_hash(position, row)
        if said is not None:
            if not self._is_misnamed(row, said, line.text):
                self._wrong_row(position, row, line)
            return said
        if not row.problem:
            return self._wrong_line(position, row, line)
        self.spans.add(
            "copies", "both", position, lambda which: f"{which}: wrong in Postgres and in the segments"
        )
        return None

    def _without_row(self, position: int, line: Line, said: Event | None) -> Event | None:
        if said is None:
            self.spans.add(
                "copies",
                "gone",
                position,
                lambda which: f"{which} missing in Postgres, wrong in the segments",
            )
            return None
        self.wrong_rows.add(position)
        if position <= self.postgres_end:  # that it ends before the segments do is told once
            self.spans.add("postgres", "missing", position, lambda which: f"{which} missing in Postgres")
        return said

    def _wrong_row(self, position: int, row: StoredRow, line: Line) -> None:
        """The segments prove what was written, and the row is something else."""
        self.wrong_rows.add(position)
        values = _differing(row.line, line.text)
        names = ", ".join(values) or "content"
        why = f" ({row.problem})" if row.problem else ""
        self.spans.add(
            "postgres",
            f"differs {names}{why}",
            position,
            lambda which: f"{which} in Postgres: {names} not as the segments prove it{why}",
            values,
        )

    def _without_line(self, position: int, row: StoredRow | None) -> Event | None:
        readable = position <= self._segments_end and not any(
            first <= position and (last is None or position <= last) for first, last in self._unreadable
        )
        if row is None:
            self.spans.add(
                "copies", "lost", position, lambda which: f"{which} missing in Postgres and in the segments"
            )
            return None
        if row.line is None or row.problem:
            self.spans.add(
                "postgres",
                row.problem,
                position,
                lambda which: f"{which} in Postgres: {row.problem}; the segments do not have it to compare",
            )
            return None
        self._named_well[row.stream_id] = row.stream
        if position <= self._segments_end:
            self.wrong_lines.add(position)
        if readable:
            self.spans.add("segments", "missing", position, lambda which: f"{which} missing in the segments")
        return row.event()

    def _wrong_hash(self, position: int, row: StoredRow) -> Event:
        """Both copies have the same line; it is only the hash column that is not its hash."""
        self.wrong_rows.add(position)
        assert row.hash is not None
        values = {"hash": {"postgres": row.stored_hash.hex(), "recomputed": row.hash.hex()}}
        self.spans.add(
            "postgres",
            "hash",
            position,
            lambda which: f"{which} in Postgres: hash not that of the event, which both copies have alike",
            values,
        )
        return row.event()

    def _wrong_line(self, position: int, row: StoredRow, line: Line) -> Event | None:
        self.wrong_lines.add(position)
        values = _differing(row.line, line.text)
        names = ", ".join(values) or "content"
        self.spans.add(
            "copies",
            f"differs {names}",
            position,
            lambda which: f"{which} in the segments: {names} not as Postgres has it, whose hash is right",
            values,
            line.block.path,
        )
        return row.event()

    def _is_misnamed(self, row: StoredRow, said: Event, text: bytes) -> bool:
        """Note a row that is right but for the identity in its stream's row; return whether it is one."""
        if row.stream_id in self._named_well:
            return False
        if row.line is not None and set(_differing(row.line, text)) - {"tenant", "stream"}:
            return False
        if row.line is None and row.stream is not None:
            return False
        known = self.misnamed.get(row.stream_id)
        if known is None:
            self.misnamed[row.stream_id] = Misnamed(row.stream, said.stream_id, row.position)
        else:
            known.positions.append(row.position)
        return True

    def settle_names(self) -> None:
        """Tell streams with another name from rows that point at another stream.

        A stream is misnamed when all its rows say so, and no other stream has the name they say;
        otherwise it is the rows whose stream id is wrong.
        """
        taken = set(self._named_well.values())
        best: dict[StreamId, int] = {}
        for id, found in self.misnamed.items():
            if id in self._named_well or found.said in taken:
                continue
            rival = self.misnamed.get(best.get(found.said, id), found)
            if (found.live is not None, len(found.positions)) >= (
                rival.live is not None,
                len(rival.positions),
            ):
                best[found.said] = id
        for id, found in list(self.misnamed.items()):
            if best.get(found.said) == id:
                continue
            del self.misnamed[id]
            for position in found.positions:
                self.wrong_rows.add(position)
                self.spans.add(
                    "postgres",
                    f"stream id {id}",
                    position,
                    lambda which, id=id: f"{which} in Postgres: stream id {id} is not that of its stream",  # type: ignore[misc]
                )

    def _follow(self, event: Event, hash: bytes, row: StoredRow | None, line: Line | None) -> None:
        """Carry the chain on over an event and compare it with what both copies kept of it."""
        position, version, time_us = event.position, event.version, time_to_us(event.time)
        if self.time_us is not None and time_us < self.time_us:
            self.spans.add("chain", "time", position, lambda which: f"{which}: the time runs backwards")
        self.time_us = time_us
        if self.chain is not None:
            self.chain = chain_hash(self.chain, position, version, time_us, hash)
        if self._doubt is not None:
            self._doubt = chain_hash(self._doubt, position, version, time_us, hash)
        if row is None or row.hash is None:
            self._rows_chain = None
        elif self._rows_chain is not None:
            self._rows_chain = chain_hash(self._rows_chain, position, row.version, row.time_us, row.hash)
        if row is not None and row.chain is not None:
            self._meet(position, row.chain, "Postgres")
            if self._rows_chain == row.chain != self.chain and self.diverged is None and line is not None:
                self.diverged = min(self.wrong_rows, default=position)
            self._rows_chain = row.chain
        if line is not None and line.block.header.last_position == position:
            self._meet(position, line.block.header.chain_after, "the segments")

    def _meet(self, position: int, kept: bytes, copy: str) -> None:
        """Compare a kept chain value with the recomputed one."""
        if self.chain is None:
            self.chain = kept  # behind lost positions it is all there is
        elif kept == self.chain:
            self._doubt = None
        elif kept == self._doubt:
            # What follows continues the other value, so that is the log's: the events before were
            # changed in both copies alike, and no copy can say what they were.
            self.wrong_chains.pop(max(self.wrong_chains, default=0), None)
            self.chain, self._doubt = self._doubt, None
        elif self.diverged is None:
            self._doubt = kept
            values = {"kept": kept.hex(), "recomputed": self.chain.hex()}
            if copy == "Postgres":
                self.wrong_chains[position] = self.chain
            self.spans.add(
                "chain",
                copy,
                position,
                lambda which: f"{which}: chain value in {copy} not that of the events up to there",
                values,
                copy,
            )

    def _proves(self, block: ReadBlock) -> bool:
        key = (block.path, block.header.offset)
        if key not in self._proven:
            self._proven[key] = block.proves_itself()
        return self._proven[key]


def _decoded(line: Line) -> Event | None:
    try:
        return decode_lines(line.text)[0]
    except ValueError:
        return None


def _differing(row: bytes | None, line: bytes) -> dict[str, Any]:
    """Return the fields in which a row's line differs from one of the segments, with both values."""
    if row is None:
        return {}
    try:
        live, said = _fields.decode(row), _fields.decode(line)
    except ValueError:
        return {}
    return {
        name: {"postgres": _shown(live.get(name)), "segments": _shown(said.get(name))}
        for name in {**said, **live}
        if live.get(name) != said.get(name)
    }


def _shown(value: Raw | None) -> str | None:
    return None if value is None else bytes(value).decode(errors="replace")


def _misnamed_finding(id: int, found: Misnamed) -> Finding:
    stands = f"is {found.live} in Postgres" if found.live else "is missing in Postgres"
    return Finding(
        area="streams",
        problem=f"stream {id} {stands}; its {len(found.positions):,} events, "
        f"{positions(found.positions[0], found.positions[-1])}, belong to {found.said}",
        first_position=found.positions[0],
        last_position=found.positions[-1],
        stream=found.said,
        where="streams",
        values={"stream_id": id, "identity": {"postgres": found.live, "segments": found.said}},
    )
