"""What other stores and transcripts hold, into this log. Reads nothing itself: replay/imports does.

Again is harmless in every case: ids are made from what an event says, so what the log has is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from agentlog.checks import check_call, check_kind, check_list, check_path, check_word
from agentlog.configuration import Postgres
from agentlog.cron import check_zone, first_tick
from agentlog.scope import Scope
from eventlog.envelope import parse_time, us_to_time
from eventlog.errors import BadInput
from replay.imports.rejected import MoveSummary
from replay.imports.rsclaw_cron import Calendar
from replay.imports.rsclaw_source import import_rsclaw
from replay.imports.runner import import_paths
from replay.imports.s0_source import PREFIX, migrate_from_s0
from replay.imports.summary import ImportSummary, ReportProgress

FORMATS = ("auto", "claude-code")  # of transcripts; a dump of rsclaw has a call of its own


class Imports:
    """What a store can take over from elsewhere."""

    _scope: Scope

    async def import_transcripts(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        format: str = "auto",
        progress: ReportProgress | None = None,
        tenant: str | None = None,
    ) -> ImportSummary:
        """Import foreign transcripts: files, or directories with *.jsonl. Twice is once.

        Raises:
            BadInput: an unknown format, or none of the paths could be imported.
        """
        check_word(format, FORMATS, "format")
        check_call(progress, "progress")
        paths = [check_path(path, "a path") for path in check_list(paths, "paths")]
        log = self._scope.log
        return await import_paths(
            log,
            paths,
            tenant=self._scope.owner(tenant),
            quarantine_dir=log.directory.quarantine,
            progress=progress,
        )

    async def import_rsclaw(
        self,
        path: str | os.PathLike[str],
        *,
        time_zone: str = "UTC",
        progress: Callable[[int, int], None] | None = None,
        tenant: str | None = None,
    ) -> MoveSummary:
        """Import a dump of an rsclaw store (docs/reference/import-rsclaw.md). Twice is once.

        Lines that become no event are copied to the quarantine directory and listed in `rejected`.

        Args:
            time_zone: of cron jobs that name none: that of the host rsclaw ran on, as `Europe/Berlin`.
            progress: hears (bytes done, of how many).
        Raises:
            BadInput: the file cannot be read, or there is no such time zone.
        """
        path = check_path(path, "path")
        check_call(progress, "progress")
        log = self._scope.log
        owner, directory = self._scope.owner(tenant), log.directory.quarantine
        [row] = await self._scope.fetch("server_time")
        now = parse_time(us_to_time(row["time_us"]))
        calendar = Calendar(check_zone(time_zone), lambda cron, zone: first_tick(cron, zone, now))
        return await import_rsclaw(
            log, path, calendar=calendar, tenant=owner, quarantine_dir=directory, progress=progress
        )

    async def migrate_from_s0(
        self,
        source: Postgres,
        *,
        prefix: str = PREFIX,
        progress: Callable[[int, int], None] | None = None,
    ) -> MoveSummary:
        """Move a Postgres session store into this log (docs/reference/migrate-from-s0.md). Twice is once.

        Rows that become no event are copied to the quarantine directory and listed in `rejected`.

        Args:
            source: its Postgres, as `postgres` of `agentlog.open`. Nothing is changed there.
            prefix: of its tables.
            progress: hears (sessions done, of how many).
        Raises:
            Refused: this store was opened for one tenant.
            BadInput: there is no session store with that prefix. LogUnavailable: no such server.
        """
        self._scope.check_whole("migrate_from_s0")
        if not isinstance(source, str | Mapping):  # not shown: it may hold a password
            raise BadInput("source must be a URL, or arguments of asyncpg.connect")
        check_kind(prefix, str, "prefix", "a text")
        check_call(progress, "progress")
        log = self._scope.log
        return await migrate_from_s0(
            log, source, prefix=prefix, quarantine_dir=log.directory.quarantine, progress=progress
        )
