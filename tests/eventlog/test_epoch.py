"""A new epoch says that somebody put the log or its projections right: what a writer knew may be wrong."""

from __future__ import annotations

import asyncpg

from tests.eventlog.conftest import OpenLog
from tests.support.builders import saying, story

A = story("a")


async def test_a_new_epoch_makes_an_open_log_forget_the_states_it_knew(
    opened: OpenLog, admin: asyncpg.Connection
):
    """It folded on a row that was put right since; versions are what they were, so no stamp tells."""
    log = await opened()
    await log.append(saying(A))
    schema = log.settings.schema
    await admin.execute(f"UPDATE {schema}.tallies SET count = 41")
    await admin.execute(f"UPDATE {schema}.head SET epoch = epoch + 1")
    await log.append(saying(A))
    assert await admin.fetchval(f"SELECT count FROM {schema}.tallies") == 42
