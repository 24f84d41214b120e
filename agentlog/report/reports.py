"""Gives questions to an archive one more: a report of it all. It asks nothing that is not in `asked.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from os import PathLike

from agentlog.asking import in_thread
from agentlog.checks import check_call, check_key, check_kind, check_path
from agentlog.errors import NotFound
from agentlog.report.asked import ask
from agentlog.report.writing import TITLE, Report, write
from agentlog.scope import Naming
from eventlog.errors import AgentlogError
from projections import archive as parquet


class Reports:
    """What `agentlog.archive.Questions` has besides single questions; the attributes are its own."""

    _naming: Naming
    _archive: parquet.Archive
    _reach: Callable[[], int]
    _catch_up: Callable[[], Awaitable[object]]

    def _seen(self, tenant: str | None) -> str | None:
        """Whose data a question over all of it is answered from; None for everybody's."""
        return self._naming.owner(tenant) if tenant is not None else self._naming.tenant or None

    async def report(
        self,
        path: str | PathLike[str],
        *,
        since: date | str | None = None,
        until: date | str | None = None,
        session: str | None = None,
        title: str = TITLE,
        svg: str | PathLike[str] | None = None,
        progress: Callable[[int, int], None] | None = None,
        tenant: str | None = None,
    ) -> Report:
        """Write a page of charts about what the agents did: one HTML file that needs no network.

        All of it is of one moment: everything that was appended before the call. A file that is there is
        replaced; so are the charts' files.

        Args:
            path: of the page.
            since, until: first and last day (UTC) of what is summed up; None for all there is.
            session: the one shown message by message; None for the costliest.
            title: what the page is called.
            svg: a directory, made when missing, that gets each chart as an SVG file as well.
            progress: hears (questions asked, of how many), in another thread.
            tenant: as for `sql`.
        Raises:
            BadInput: a day cannot be read. NotFound: there is no such session. OSError: the page or a
            chart cannot be written.
        """
        page, pictures = check_path(path, "path"), None if svg is None else check_path(svg, "svg")
        check_key(session, "session")
        check_kind(title, str, "title", "a text")
        check_call(progress, "progress")
        period = parquet.find_query("totals").values({"since": since, "until": until})
        seen = self._seen(tenant)
        with suppress(AgentlogError, OSError):
            await self._catch_up()

        def make(stop: parquet.Stop) -> Report:
            with self._archive.ask(self._reach(), tenant=seen, stop=stop) as connection:
                asked = ask(connection, **period, session=session, progress=progress)
            if session is not None and not asked.rows("session_tree").rows:
                raise NotFound(
                    f"the archive has no session {session!r}", hint="check key and tenant", key=session
                )
            return write(asked, page, title=title, svg=pictures)

        return await in_thread(make)
