"""A process's lease: one row that says it is alive, renewed by one UPDATE however much the process holds.

Not an event and not part of the log. Claims name the lease's id; when nobody renews it any more, what
they hold returns. A process that was only away takes its lease again, and keeps what nobody took.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import suppress

from agentlog.checks import check_amount
from agentlog.scope import Scope
from eventlog.errors import AgentlogError

LEASE_S = 30.0
RENEWALS = 3  # in the time of one lease: two may fail before it is over

_logger = logging.getLogger(__name__)


class Lease:
    """A lease of this process. Use it in `async with`, or take and end it.

    Args:
        lease_s: how long after the last renewal the process counts as dead.
    Attributes:
        id: what claims name.
    """

    def __init__(self, scope: Scope, lease_s: float = LEASE_S) -> None:
        check_amount(lease_s, "lease_s", 86400, "seconds", above_0=True)
        self.id = scope.log.ids.next()
        self.lease_s = lease_s
        self._scope = scope
        self._renewing: asyncio.Task[None] | None = None

    async def take(self) -> str:
        """Take the lease, keep renewing it, and return its id. Safe to call again. Raises LogUnavailable."""
        if self._renewing is None:
            await self._renew()
            self._renewing = asyncio.create_task(self._keep(), name="agentlog-lease")
        return self.id

    async def end(self) -> None:
        """Stop renewing and end the lease: what is still held under it is free at once."""
        if self._renewing is None:
            return
        renewing, self._renewing = self._renewing, None
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        # Where Postgres is away, the lease ends by itself.
        with suppress(AgentlogError):
            await self._scope.fetch("end_lease", self.id)

    async def __aenter__(self) -> Lease:
        await self.take()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.end()

    async def _renew(self) -> None:
        holder = f"{socket.gethostname()}/{os.getpid()}"
        await self._scope.fetch("renew_lease", self.id, holder, self.lease_s)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.lease_s / RENEWALS)
            try:
                await self._renew()
            except Exception as error:  # whatever it is, the next renewal may succeed
                _logger.warning("the lease %s was not renewed: %s", self.id, error)
