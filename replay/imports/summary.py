"""What an import did, in numbers and findings. Nothing is imported here."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from eventlog.events import Usage
from replay.imports.claude_code import Converted
from replay.imports.quarantine import Quarantined
from replay.imports.usage import total

# Stands for messages that carry usage but name no model.
NO_MODEL = ""


class Refused(msgspec.Struct, frozen=True):
    """A path of which nothing (more) was imported, and why."""

    path: str
    reason: str


class ImportSummary(msgspec.Struct):
    """What the files held, and what of it was new to the log.

    Attributes:
        files: transcripts that were read; sessions: distinct sessions they are.
        records: lines that became events; messages and compactions among them.
        events_new, events_present: events that were appended, and that the log had already.
        tokens: by model, each API response once; the whole of the files, not only what was new.
        quarantined: spans that became no event; their bytes were copied.
        refused: paths that could not be read or are no transcripts.
        empty: files without a byte (or with white space only).
        blank_lines: lines of white space between the records.
    """

    files: int = 0
    sessions: int = 0
    records: int = 0
    messages: int = 0
    compactions: int = 0
    events_new: int = 0
    events_present: int = 0
    blank_lines: int = 0
    tokens: dict[str, Usage] = {}
    quarantined: list[Quarantined] = []
    refused: list[Refused] = []
    empty: list[str] = []

    def count(self, line: Converted) -> None:
        """Add one line of a file."""
        self.records += 1
        self.messages += line.message
        self.compactions += line.compaction
        if line.usage is not None:
            model = line.model or NO_MODEL
            self.tokens[model] = total(self.tokens.get(model, Usage()), line.usage)


class Progress(msgspec.Struct, frozen=True):
    """How far an import is: the file it just read from, files and bytes done and in all."""

    path: str
    files_done: int
    files: int
    bytes_done: int
    bytes: int


ReportProgress = Callable[[Progress], None]
