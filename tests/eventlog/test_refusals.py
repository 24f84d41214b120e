"""What a log is asked in the wrong way: refused by name, at once, and alone."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog.errors import BadInput
from tests.eventlog.conftest import OpenLog
from tests.support.builders import saying, story


@pytest.mark.parametrize("place", ["1", 1.0, -1, 2**63, object()])
async def test_what_is_no_position_is_refused_by_name(opened: OpenLog, place: Any):
    """And what is no command, or no stream; other callers notice nothing."""
    log = await opened()
    await log.append(saying(story(), "x"))
    with pytest.raises(BadInput, match="is no Command"):
        await log.append(place)
    with pytest.raises(BadInput, match="is no StreamId"):
        await log.read_stream(place)
    for asked in (
        log.read_stream(story(), after=place), log.read_stream(story(), limit=place),
        anext(log.read(place)), anext(log.read(until=place)),
    ):  # fmt: skip
        with pytest.raises(BadInput, match="must be a whole number"):
            await asked
    with pytest.raises(BadInput, match="must be a whole number"):
        log.subscribe(place)
    assert (await log.head()).position == 1
