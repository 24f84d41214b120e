"""Everything out of a store, and in again: JSON lines with a manifest, or a store of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

from agentlog.checks import check_call, check_path
from agentlog.configuration import configure
from agentlog.scope import Scope
from agentlog.servers import server_of
from eventlog.errors import BadInput
from eventlog.settings import Settings
from replay.export import Manifest, export_log
from replay.import_log import MergeReport, import_empty, merge
from replay.moment import find_moment
from replay.report import Progress

StrPath = str | os.PathLike[str]


class Exports:
    """What a store gives out as a whole, and takes in."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def export(
        self,
        directory: StrPath,
        *,
        position: int | None = None,
        time: datetime | None = None,
        tenant: str | None = None,
        progress: Progress | None = None,
    ) -> Manifest:
        """Write all events up to a moment to a new directory; of one tenant, when the store or the call is.

        Args:
            directory: new or empty. Without its manifest.json it is an export that was cut off.
        Raises:
            BadInput: the directory holds something, or the moment is not in the log.
        """
        owner = self._scope.owner(tenant) if tenant is not None else self._scope.tenant or None
        place = check_path(directory, "directory")
        check_call(progress, "progress")
        moment = await find_moment(self._scope.log, position, time)
        return await export_log(self._scope.log, place, moment, tenant=owner, progress=progress)

    async def export_store(
        self,
        data: StrPath,
        *,
        position: int | None = None,
        time: datetime | None = None,
        progress: Progress | None = None,
    ) -> Manifest:
        """Make a data directory that opens as a store of its own: the whole log as of a moment.

        It has its own log id, an embedded Postgres, and the same chain up to there. Raises BadInput: the
        directory holds something; on a store that was opened for one tenant; the moment is not in the log.
        """
        if self._scope.tenant:
            raise BadInput(
                f"a store is of the whole log, and this one was opened for tenant {self._scope.tenant!r}",
                hint="export the tenant, and merge it into a store",
            )
        check_call(progress, "progress")
        place, parent = _new(check_path(data, "data"))
        with tempfile.TemporaryDirectory(dir=parent, prefix=".agentlog-export-") as between:
            lines = Path(between) / "log"
            manifest = await self.export(lines, position=position, time=time, progress=progress)
            settings = Settings()
            configuration = configure(place, postgres=None, tenant="", settings=settings, environment={})
            try:
                async with server_of(configuration) as target:
                    await import_empty(
                        lines, place, target, settings=settings, own_id=True, progress=progress
                    )
            except BaseException:
                # It was empty before: what is left would open as a store with no events.
                shutil.rmtree(place, ignore_errors=True)
                raise
        return manifest

    async def merge(
        self, directory: StrPath, *, tenant: str | None = None, progress: Progress | None = None
    ) -> MergeReport:
        """Append the events of an export that the log has not yet, by their ids. Twice is once.

        Args:
            tenant: take that tenant's events alone; as a store of one tenant always does.
        Raises:
            BadInput: it is no whole export. Damaged: it is not what its manifest says; nothing was appended.
        """
        owner = self._scope.owner(tenant) if tenant is not None else self._scope.tenant or None
        check_call(progress, "progress")
        return await merge(
            self._scope.log, check_path(directory, "directory"), tenant=owner, progress=progress
        )


def _new(place: Path) -> tuple[Path, Path]:
    """Return a directory that is new or empty, and the one above it, made when missing. Raises BadInput."""
    if place.exists() and any(place.iterdir()):
        raise BadInput(f"{place} holds something", hint="name a directory that is new or empty")
    parent = place.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    return place, parent
