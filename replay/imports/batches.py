"""One transcript file as batches of events and findings, lazily. Reads the file; appends nothing."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from eventlog.envelope import NewEvent
from eventlog.errors import BadInput
from replay.imports.claude_code import Converted, Transcript
from replay.imports.lines import LINE_BYTES_MAX, WHITE_SPACE, Line, read_lines
from replay.imports.quarantine import Quarantined, quarantine
from replay.imports.record import NotJson
from replay.imports.thread import Thread

BATCH_EVENTS_MAX = 64
BATCH_BYTES_MAX = 4 * 1024 * 1024
# Each read gives the interpreter away, and 8 KiB at a time that took a sixth of an import's processor time.
_READ_BYTES = 1024 * 1024


class Batch(NamedTuple):
    """Consecutive lines of a file.

    Attributes:
        events: to append, at most BATCH_EVENTS_MAX, except for the events of a single line.
        lines: the lines they are from, converted.
        quarantined: lines among them that are no events.
        blank_lines: lines of nothing but white space, which is what separates JSON values.
        end_offset: of the last line's end.
    """

    events: list[NewEvent]
    lines: list[Converted]
    quarantined: list[Quarantined]
    blank_lines: int
    end_offset: int


def read_batches(
    path: Path, thread: Thread, tenant: str, quarantine_dir: Path
) -> Generator[Batch, None, None]:
    """Yield the file's batches, in order: every byte of it is in exactly one.

    Raises OSError when the file cannot be read or the quarantine not be written.
    """
    transcript = Transcript(thread, tenant)
    batch, length = _empty(), 0
    with open(path, "rb", _READ_BYTES) as file:
        for line in read_lines(file):
            converted = _convert(transcript, file, path, line, quarantine_dir)
            if isinstance(converted, Converted):
                added = sum(len(event.data) + len(event.meta) for event in converted.events)
                events = len(batch.events) + len(converted.events)
                if batch.events and (events > BATCH_EVENTS_MAX or length + added > BATCH_BYTES_MAX):
                    yield batch
                    batch, length = _empty(), 0
                batch.events.extend(converted.events)
                batch.lines.append(converted)
                length += added
            elif converted is not None:
                batch.quarantined.append(converted)
            else:
                batch = batch._replace(blank_lines=batch.blank_lines + 1)
            batch = batch._replace(end_offset=line.offset + line.length_bytes)
    yield batch


def _empty() -> Batch:
    return Batch([], [], [], 0, 0)


def _convert(
    transcript: Transcript, file: BinaryIO, path: Path, line: Line, quarantine_dir: Path
) -> Converted | Quarantined | None:
    """Return the line's events, or why it has none; None for a blank line."""
    content = line.content
    if content is None:
        reason = f"the line is longer than {LINE_BYTES_MAX:,} bytes, which no event can hold"
        return quarantine(file, path, line, reason, quarantine_dir)
    if not content.strip(WHITE_SPACE):
        return None
    # Without an LF the line may still be on its way; only an object's end cannot be the middle
    # of something longer.
    if not line.ended and not content.rstrip(WHITE_SPACE).endswith(b"}"):
        return quarantine(file, path, line, "torn: the last line has no end", quarantine_dir)
    try:
        return transcript.convert(content, line.number)
    except NotJson as error:
        torn = "" if line.ended else "torn: "
        return quarantine(file, path, line, f"{torn}{error}", quarantine_dir)
    except BadInput as error:
        return quarantine(file, path, line, str(error), quarantine_dir)
