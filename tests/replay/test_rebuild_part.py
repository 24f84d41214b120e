"""The rows of one stream, or of one tenant, are put right; those of others are left as they are."""

from __future__ import annotations

import pytest

from eventlog.errors import BadInput
from replay.rebuild import compare
from replay.rebuild_part import rebuild_part
from tests.replay.support import OTHER, SESSION, Spoiled, message

SPOIL = (
    "UPDATE {schema}.sessions SET title = 'wrong'",
    "DELETE FROM {schema}.conversations",
    "UPDATE {schema}.queue_items SET status = 'lost'",
)


async def test_of_a_stream_its_own_rows_alone_are_put_right(spoiled: Spoiled):
    """And writers read their states anew."""
    await spoiled.fill()
    before = await spoiled.tables()
    await spoiled.sql(*SPOIL)
    report = await rebuild_part(await spoiled.log(), stream=SESSION)
    assert (report.events, report.position) == (9, 13)
    assert {finding.stream for finding in report.differences} == {SESSION}
    left = await compare(await spoiled.log())
    assert left
    assert SESSION not in {finding.stream for finding in left}
    await spoiled.append(SESSION, message("later"))
    await rebuild_part(await spoiled.log(), tenant="acme")
    assert await compare(await spoiled.log()) == []
    assert len((await spoiled.tables())["sessions"]) == len(before["sessions"])


async def test_of_a_tenant_every_row_and_nobody_elses(spoiled: Spoiled):
    """Whatever the kind of stream."""
    await spoiled.fill()
    await spoiled.append(SESSION._replace(tenant="globex"), message("theirs"))
    await spoiled.sql(*SPOIL)
    report = await rebuild_part(await spoiled.log(), tenant="globex", names=["conversations"])
    assert report.rows == {"conversations": 1}
    assert {finding.stream.tenant for finding in report.differences if finding.stream} == {"globex"}
    await rebuild_part(await spoiled.log(), tenant="acme")
    left = await compare(await spoiled.log())
    assert {finding.stream.tenant for finding in left if finding.stream} <= {"globex"}


@pytest.mark.parametrize(
    "part",
    [{}, {"stream": OTHER, "tenant": "acme"}, {"stream": OTHER._replace(key="none")}, {"tenant": "nobody"}],
)
async def test_a_part_that_is_not_there_is_refused(spoiled: Spoiled, part):
    """Nothing is written, and the gate is given back."""
    await spoiled.fill()
    with pytest.raises(BadInput):
        await rebuild_part(await spoiled.log(), **part)
    await spoiled.append(OTHER, message("later"))
