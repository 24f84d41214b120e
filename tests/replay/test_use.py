"""Whether somebody has a log open, as far as Postgres tells."""

from __future__ import annotations

import msgspec

from replay.use import users_of
from tests.replay.support import SESSION, Spoiled, message


async def test_an_open_log_is_told_by_its_schema_until_it_is_closed(spoiled: Spoiled):
    """Logs of other schemas in the same database are nobody's business."""
    await spoiled.append(SESSION, message("a"))
    elsewhere = msgspec.structs.replace(spoiled.settings, schema=spoiled.schema[:-1])
    users = await users_of(spoiled.postgres, spoiled.settings, alone=False)
    assert users
    assert all(user.startswith("this machine, connected since 20") for user in users)
    assert await users_of(spoiled.postgres, elsewhere, alone=False) == []
    await spoiled.close()
    assert await users_of(spoiled.postgres, spoiled.settings, alone=False) == []
