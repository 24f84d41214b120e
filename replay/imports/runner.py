"""Transcript files into the log: read, leave out what the log has, append the rest in order.

Importing again appends nothing, and a file that grew appends what is new: ids say which events
are present, and every command names the exact version of each stream it was decided on. Two
imports at once therefore take turns; the one that comes second reads again and decides again.
What an interrupted import has appended stays, and the next one goes on from there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple

from eventlog.envelope import NewEvent
from eventlog.errors import BadInput
from eventlog.log import Log
from replay.imports.appending import append_fresh
from replay.imports.batches import BATCH_EVENTS_MAX, Batch, read_batches
from replay.imports.files import Found, find_files, shown, unreadable
from replay.imports.lines import read_lines
from replay.imports.present import Present
from replay.imports.summary import ImportSummary, Progress, Refused, ReportProgress
from replay.imports.thread import Thread, read_thread

# Sessions imported side by side: enough to fill a batch of the group commit.
SESSIONS_AT_ONCE = 8


class _Source(NamedTuple):
    found: Found
    thread: Thread


async def import_paths(
    log: Log,
    paths: Iterable[str | os.PathLike[str]],
    *,
    tenant: str = "",
    quarantine_dir: str | os.PathLike[str],
    progress: ReportProgress | None = None,
) -> ImportSummary:
    """Import transcripts of Claude Code: files, or directories with *.jsonl at any depth.

    Args:
        tenant: owner of the sessions.
        quarantine_dir: where unreadable bytes are copied; made when there are any.
        progress: called in the event loop after each batch of a file.
    Raises:
        BadInput: not one of the paths could be imported; the message says why. When some can,
            the others are listed in `ImportSummary.refused`.
        AgentlogError: the log refused or is unavailable. Run the import again: it goes on.
    """
    found, errors = await asyncio.to_thread(find_files, paths)
    run = _Run(log, tenant, Path(quarantine_dir), progress, found)
    for error in errors:
        run.refuse(error)
    for sources in await run.sessions():
        run.todo.put_nowait(sources)
    workers = [asyncio.create_task(run.work()) for _ in range(SESSIONS_AT_ONCE)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    summary = run.summary
    if summary.refused and not summary.files and not summary.empty:
        told = "; ".join(refused.reason for refused in summary.refused[:3])
        if len(summary.refused) > 1:
            told = f"nothing could be imported: {told}"
        raise BadInput(told, refused=summary.refused)
    return summary


class _Run:
    """One call of import_paths."""

    def __init__(
        self, log: Log, tenant: str, quarantine_dir: Path, progress: ReportProgress | None, found: list[Found]
    ) -> None:
        self.summary = ImportSummary()
        self.todo: asyncio.Queue[list[_Source]] = asyncio.Queue()
        self._log = log
        self._tenant = tenant
        self._quarantine_dir = quarantine_dir
        self._progress = progress
        self._found = found
        self._bytes = sum(file.length_bytes for file in found)
        self._bytes_done = 0
        self._files_done = 0

    def refuse(self, error: BadInput) -> None:
        self.summary.refused.append(Refused(getattr(error, "path", ""), str(error)))

    async def sessions(self) -> list[list[_Source]]:
        """Return the files by session, in the order they were found.

        Files of one session are read one after another: side by side they would only conflict.
        """
        by_session: dict[str, list[_Source]] = {}
        for file in self._found:
            try:
                thread = await asyncio.to_thread(_read_head, file.path)
            except BadInput as error:
                self.refuse(error)
            except OSError as error:
                self.refuse(unreadable(file.path, error))
            else:
                if thread is not None:
                    by_session.setdefault(thread.session, []).append(_Source(file, thread))
                    continue
                self.summary.empty.append(shown(file.path))
            self._done(file)
        return list(by_session.values())

    async def work(self) -> None:
        """Import sessions until none is left."""
        while not self.todo.empty():
            sources = self.todo.get_nowait()
            present = Present(self._log, self._tenant)
            counted: set[str] | None = set() if len(sources) > 1 else None
            imported = 0
            for source in sources:
                try:
                    await self._import_file(source, present, counted)
                    imported += 1
                except BadInput as error:
                    self.summary.refused.append(Refused(shown(source.found.path), str(error)))
                except OSError as error:
                    self.refuse(unreadable(source.found.path, error))
                self._done(source.found)
            self.summary.files += imported
            self.summary.sessions += imported > 0

    async def _import_file(self, source: _Source, present: Present, counted: set[str] | None) -> None:
        path = source.found.path
        batches = read_batches(path, source.thread, self._tenant, self._quarantine_dir)
        async with aclosing(_in_threads(batches)) as each:
            async for batch in each:
                for start in range(0, len(batch.events), BATCH_EVENTS_MAX):
                    await self._append(batch.events[start : start + BATCH_EVENTS_MAX], present)
                self._count(batch, counted)
                self._tell(path, batch.end_offset)

    async def _append(self, events: Sequence[NewEvent], present: Present) -> None:
        fresh = await append_fresh(self._log, events, present)
        self.summary.events_new += fresh
        self.summary.events_present += len(events) - fresh

    def _count(self, batch: Batch, counted: set[str] | None) -> None:
        """Add a batch to the summary; a line that two files of a session share counts once."""
        self.summary.quarantined.extend(batch.quarantined)
        self.summary.blank_lines += batch.blank_lines
        for line in batch.lines:
            id = line.events[-1].id
            if counted is None or id not in counted:
                self.summary.count(line)
            if counted is not None:
                counted.add(id)

    def _done(self, file: Found) -> None:
        self._files_done += 1
        self._bytes_done += file.length_bytes
        self._tell(file.path, 0)

    def _tell(self, path: Path, offset: int) -> None:
        if self._progress is not None:
            done = self._bytes_done + offset
            self._progress(Progress(shown(path), self._files_done, len(self._found), done, self._bytes))


async def _in_threads(batches: Generator[Batch, None, None]) -> AsyncGenerator[Batch, None]:
    """Yield the batches, each made in a thread; close them, and their file with them, in the end."""
    try:
        while True:
            step = asyncio.create_task(asyncio.to_thread(next, batches, None))
            try:
                batch = await asyncio.shield(step)
            finally:
                # A cancelled await does not stop a thread, and what runs cannot be closed.
                await asyncio.gather(step, return_exceptions=True)
            if batch is None:
                return
            yield batch
    finally:
        batches.close()


def _read_head(path: Path) -> Thread | None:
    with open(path, "rb") as file:
        return read_thread(path, read_lines(file))
