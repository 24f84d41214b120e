"""Postgres away, in every way we know: appends end in time and tell the truth, reading goes on, all resumes.

On a real server behind a real proxy, and always on the same open log.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from eventlog.clock import SystemClock
from eventlog.embedded.server import attach
from eventlog.errors import CopiesDisagree, LogUnavailable, OutcomeUnknown
from eventlog.io import SystemIo
from eventlog.local import LocalCopy
from eventlog.log import Log
from replay.restore import restore_postgres, restore_segments
from tests.eventlog.conftest import OpenLog
from tests.reliability.troubles import (
    TROUBLES,
    Site,
    Trouble,
    closed_to_all,
    gate_held,
    gone,
    hanging_up,
    read_only,
    silent,
)
from tests.support.builders import PROJECTIONS, assert_whole, open_log, saying, story, verdicts
from tests.support.proxy import ANSWER_LOST, proxied

A, B = story("a"), story("b")
# Nothing below takes longer than this, or it hangs.
BOUND_S = 60.0


@pytest.fixture
async def site(
    postgres_database: dict[str, Any], admin: asyncpg.Connection, short_path: Path
) -> AsyncIterator[Site]:
    async with proxied(postgres_database, short_path) as proxy:
        yield Site(proxy, admin, postgres_database)


every_trouble = pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)


async def open_away(opened: OpenLog, site: Site, **options: Any) -> Log:
    """A log with small limits, with something in it."""
    limits = {"command_timeout_s": 0.6, "connect_timeout_s": 0.6, "schema": "agentlog", **options}
    log = await opened(target=site.proxy.connection, **limits)
    await log.append(saying(A, "before"))
    return log


async def append_when_back(log: Log) -> None:
    """The same open log takes appends again; a server may say for a moment still what it said before."""
    async with asyncio.timeout(BOUND_S):
        while isinstance((await verdicts(log, saying(A, "after")))[0], Exception):
            pass


@every_trouble
async def test_appends_end_in_time_and_truly_and_resume_by_themselves(
    opened: OpenLog, site: Site, trouble: Trouble
):
    """Never hanging, never half done: what is told as unavailable is not in the log, unknown may be."""
    log = await open_away(opened, site)
    alone, together = saying(B), [saying(story(f"s{number}")) for number in range(8)]
    async with trouble(site), asyncio.timeout(BOUND_S):
        found = [*await verdicts(log, alone), *await verdicts(log, *together)]
    assert {type(error) for error in found} <= {LogUnavailable, OutcomeUnknown}, found
    assert LogUnavailable in {type(error) for error in found}
    await append_when_back(log)
    await site.proxy.settled()
    there = {event.id for event in await assert_whole(log)}
    for command, error in zip([alone, *together], found, strict=True):
        assert not (isinstance(error, LogUnavailable) and command.events[0].id in there), error
    # Who was told "unknown" asks again, and hears the truth.
    async with asyncio.timeout(BOUND_S):
        receipts = await asyncio.gather(*map(log.append, [alone, *together]))
    events = await assert_whole(log)
    for command, receipt in zip([alone, *together], receipts, strict=True):
        assert events[receipt.first_position - 1].id == command.events[0].id


@pytest.mark.parametrize("trouble", [gone, silent, read_only, gate_held], ids=lambda it: it.__name__)
async def test_who_waits_for_postgres_can_be_cancelled_and_closing_does_not_wait(
    opened: OpenLog, site: Site, trouble: Trouble
):
    """Ctrl-C in the middle of an outage, with an hour of patience configured: no stuck process."""
    log = await open_away(opened, site, unavailable_wait_s=3600.0)
    async with trouble(site), asyncio.timeout(BOUND_S):
        appends = [asyncio.ensure_future(log.append(saying(story(f"s{number}")))) for number in range(4)]
        await asyncio.wait(appends, timeout=0.05)
        appends[0].cancel()
        await asyncio.wait(appends[:1])
        assert appends[0].cancelled()
        await log.close()
        found = await asyncio.gather(*appends[1:], return_exceptions=True)
    assert {type(error) for error in found} <= {LogUnavailable, OutcomeUnknown}, found
    await append_when_back(await opened("again", schema="agentlog", target=site.proxy.connection))


@pytest.mark.parametrize("trouble", [gone, hanging_up, read_only, gate_held], ids=lambda it: it.__name__)
async def test_patience_is_rewarded(opened: OpenLog, site: Site, trouble: Trouble):
    """`unavailable_wait_s`: the caller never hears of an outage that is over before."""
    log = await open_away(opened, site, unavailable_wait_s=3600.0)
    async with asyncio.timeout(BOUND_S):
        async with trouble(site):
            appends = [asyncio.ensure_future(log.append(saying(story(f"s{number}")))) for number in range(4)]
            done, _ = await asyncio.wait(appends, timeout=0.3)
            assert not done
        receipts = await asyncio.gather(*appends)
    assert sorted(receipt.first_position for receipt in receipts) == [2, 3, 4, 5]
    await assert_whole(log)


async def test_an_outage_is_waited_for_anew_each_time(opened: OpenLog, site: Site):
    """The patience of the first caller does not use up the second one's."""
    log = await open_away(opened, site, unavailable_wait_s=0.2)
    loop = asyncio.get_running_loop()
    async with gone(site):
        for _ in range(2):
            began = loop.time()
            with pytest.raises((LogUnavailable, OutcomeUnknown)):
                await log.append(saying(A))
            assert loop.time() - began > 0.15


async def test_reading_goes_on_and_a_subscription_resumes_by_itself(opened: OpenLog, site: Site):
    """What is local comes at once; the rest when Postgres is back, without a gap and without a repeat."""
    log = await open_away(opened, site)
    async with gone(site):
        blocks = log.read()
        assert [event.position for event in await anext(blocks)] == [1]
        with pytest.raises(LogUnavailable):  # so nobody takes a part for the whole
            await anext(blocks)
        assert [event.position async for block in log.read(0, 1) for event in block] == [1]
        local = LocalCopy(log.directory, SystemIo())
        assert (await local.as_of()).position == 1
        assert len(await local.read_stream(A)) == 1
        async with aclosing(log.subscribe()) as events:  # type: ignore[type-var]
            assert (await anext(events)).position == 1
            rest = asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait([rest], timeout=0.2)
            assert not done
            await site.proxy.come_back()
            await append_when_back(log)
            async with asyncio.timeout(BOUND_S):
                assert (await rest).position == 2
        await site.proxy.go_away()


async def test_a_subscription_outlives_a_connection_that_fell_silent(opened: OpenLog, site: Site):
    """Half open: no reset ever comes for the connection that listens."""
    log = await open_away(opened, site)
    async with aclosing(log.subscribe(1)) as events:  # type: ignore[type-var]
        following = asyncio.ensure_future(anext(events))
        await asyncio.wait([following], timeout=0.1)
        async with silent(site):
            await asyncio.wait([following], timeout=1.0)
        await append_when_back(log)
        async with asyncio.timeout(BOUND_S):
            assert (await following).position == 2


async def test_a_silent_server_is_not_waited_for_when_a_log_is_opened(opened: OpenLog, site: Site):
    """It took the connection; then nothing."""
    await open_away(opened, site)
    site.proxy.silent_after_login = True
    async with asyncio.timeout(BOUND_S):
        with pytest.raises(LogUnavailable):
            await open_away(opened, site, migrate=False)
    site.proxy.silent_after_login = False
    site.proxy.cut()


async def test_a_read_only_server_refuses_to_open_as_unavailable(opened: OpenLog, site: Site):
    log = await open_away(opened, site)
    await log.close()
    async with read_only(site):
        with pytest.raises(LogUnavailable, match="read-only"):
            await open_away(opened, site, migrate=False)
    await open_away(opened, site, migrate=False)


async def test_sessions_that_an_administrator_ends_when_idle_are_made_anew(opened: OpenLog, site: Site):
    """idle_session_timeout: nobody ever hears of it, neither who appends nor who reads."""
    await site.set("idle_session_timeout", "500ms")
    log = await open_away(opened, site)
    for number in range(3):
        async with asyncio.timeout(BOUND_S):
            while await site.sessions():
                pass
        assert (await log.append(saying(A))).first_position == 2 + number
        assert len(await log.read_stream(A)) == 2 + number


async def test_two_hundred_callers_in_an_outage_are_no_storm(opened: OpenLog, site: Site):
    """One attempt to connect answers all who wait; none of them makes its own."""
    log = await open_away(opened, site)
    async with hanging_up(site):
        site.proxy.connections = 0
        async with asyncio.timeout(BOUND_S):
            found = await verdicts(log, *[saying(story(f"s{number}")) for number in range(200)])
        assert {type(error) for error in found} <= {LogUnavailable, OutcomeUnknown}
        assert site.proxy.connections <= 20
    await append_when_back(log)
    await assert_whole(log)


@pytest.mark.parametrize("delay_s", [0.001, 0.05])
async def test_a_slow_server_is_waited_for(opened: OpenLog, site: Site, delay_s: float):
    log = await open_away(opened, site, command_timeout_s=20.0, connect_timeout_s=20.0)
    site.proxy.delay_s = delay_s
    site.proxy.cut()
    async with asyncio.timeout(BOUND_S):
        receipts = await asyncio.gather(*[log.append(saying(story(f"s{number}"))) for number in range(12)])
    assert len(receipts) == 12
    site.proxy.delay_s = 0.0
    await assert_whole(log)


async def test_a_server_that_is_always_too_slow_is_given_up_in_time(opened: OpenLog, site: Site):
    """Each statement outlasts its timeout. With a batch tried again command by command that was hours."""
    log = await open_away(opened, site)
    site.proxy.delay_s = 5.0
    async with asyncio.timeout(20):
        found = await verdicts(log, *[saying(story(f"s{number}")) for number in range(64)])
    assert {type(error) for error in found} <= {LogUnavailable, OutcomeUnknown}
    site.proxy.delay_s = 0.0
    site.proxy.cut()
    await append_when_back(log)
    await assert_whole(log)


async def test_an_earlier_commit_is_not_denied_because_of_a_later_refusal(opened: OpenLog, site: Site):
    """The answer was lost, then the disk of Postgres was full: that refusal is of the second attempt."""
    log = await open_away(opened, site)
    site.proxy.faults.append(ANSWER_LOST)
    command = saying(A, "committed")
    append = asyncio.ensure_future(log.append(command))
    await site.proxy.struck.wait()
    async with closed_to_all(site):
        with pytest.raises(OutcomeUnknown):
            await append
    async with asyncio.timeout(BOUND_S):
        while True:
            with suppress(LogUnavailable, OutcomeUnknown):
                receipt = await log.append(command)
                break
    assert receipt.first_position == 2
    assert len(await assert_whole(log)) == 2


async def test_a_failover_that_lost_commits_is_refused_until_an_explicit_repair(
    opened: OpenLog, site: Site, tmp_path: Path
):
    """An asynchronous standby was promoted. Both heads are shown; `restore postgres` brings the log back."""
    log = await open_away(opened, site)
    async with gone(site):
        await site.copy_database("behind")
    await append_when_back(log)
    lost = log.segments.head_position
    assert lost >= 2
    async with gone(site):
        await site.swap_databases("behind", "ahead")
    async with asyncio.timeout(BOUND_S):
        for _ in range(2):
            found = await verdicts(log, saying(A), saying(B))
            assert {CopiesDisagree} == set(map(type, found))
        with pytest.raises(CopiesDisagree, match=f"segments stand at position {lost} with .* Postgres at 1 "):
            await log.append(saying(A))
        with pytest.raises(CopiesDisagree, match="agentlog restore postgres"):
            await opened("data", schema="agentlog", target=site.proxy.connection, migrate=False)
        async with aclosing(log.subscribe(0)) as events:  # type: ignore[type-var]
            assert (await anext(events)).position == 1
    connection = await asyncpg.connect(**site.target)
    await connection.execute("DROP SCHEMA agentlog CASCADE")
    await connection.close()
    await restore_postgres(tmp_path / "data", site.target, projections=PROJECTIONS, views_sql=(),
                           settings=log.settings)  # fmt: skip
    await append_when_back(log)
    events = await assert_whole(log)
    assert len(events) == lost + 1


async def test_a_history_that_others_went_on_with_is_refused_until_an_explicit_repair(
    opened: OpenLog, site: Site, tmp_path: Path
):
    """After such a failover another host, which had not copied what is lost, wrote other events there."""
    log = await open_away(opened, site)
    async with gone(site):
        await site.copy_database("behind")
    await append_when_back(log)
    lost = log.segments.head_position
    async with gone(site):
        await site.swap_databases("behind", "ahead")
    other = await opened("other", schema="agentlog", target=site.target, migrate=False)
    for number in range(lost + 2):
        await other.append(saying(B, str(number)))
    async with asyncio.timeout(BOUND_S):
        await verdicts(log, saying(A))
        with pytest.raises(CopiesDisagree, match="do not share that history"):
            await log.append(saying(A))
        async with aclosing(log.subscribe(lost)) as events:  # type: ignore[type-var]
            with pytest.raises(CopiesDisagree):  # and not the events of the other history
                await anext(events)
        await log.close()
    (tmp_path / "data" / "segments").rename(tmp_path / "put aside")
    await restore_segments(tmp_path / "data", site.target, settings=log.settings)
    again = await opened("data", schema="agentlog", target=site.target, migrate=False)
    await append_when_back(again)
    assert len(await assert_whole(again)) == lost + 4


async def test_a_standby_is_read_and_not_written_and_takes_over_when_promoted(short_path: Path):
    """The server came back in recovery: reads go on, appends say why not, and all by itself resumes."""
    os.chmod(short_path, 0o755)  # the server may be another user, who has to pass
    server = await attach(short_path / "data", clock=SystemClock())
    log = await open_log(server, "agentlog", short_path / "log")
    try:
        await log.append(saying(A, "before"))
        await server.close()
        (short_path / "data" / "postgres" / "cluster" / "standby.signal").touch()
        server = await attach(short_path / "data", clock=SystemClock())
        async with asyncio.timeout(BOUND_S):
            with pytest.raises(LogUnavailable, match="is a standby"):
                await log.append(saying(A))
            with pytest.raises(LogUnavailable):
                await open_log(server, "agentlog", short_path / "log", migrate=False)
            assert len(await log.read_stream(A)) == 1
            await log.reads.fetch("SELECT pg_promote()")
        await append_when_back(log)
        assert len(await assert_whole(log)) == 2
    finally:
        await log.close()
        await server.close()


PATIENT_PROCESS = """
import asyncio, json, sys
from pathlib import Path
from tests.support.builders import open_log, saying, story

async def main():
    target, data = json.loads(sys.argv[1])
    limits = {"command_timeout_s": 1.0, "connect_timeout_s": 1.0, "unavailable_wait_s": 3600.0}
    async with await open_log(target, "agentlog", Path(data), **limits) as log:
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        append = asyncio.ensure_future(log.append(saying(story("a"))))
        await asyncio.wait([append], timeout=0.1)
        print("waiting", flush=True)
        await append

asyncio.run(main())
"""


@pytest.mark.parametrize("trouble", [gone, silent, gate_held], ids=lambda it: it.__name__)
async def test_ctrl_c_ends_a_process_that_waits_for_postgres(site: Site, tmp_path: Path, trouble: Trouble):
    """By the signal itself, with an hour of patience configured."""
    arguments = json.dumps([site.proxy.connection, str(tmp_path / "data")])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PATIENT_PROCESS, arguments,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(BOUND_S):
            assert await process.stdout.readline() == b"open\n"
            async with trouble(site):
                process.stdin.write(b"\n")
                assert await process.stdout.readline() == b"waiting\n"
                process.send_signal(signal.SIGINT)
                _, words = await process.communicate()
        assert b"KeyboardInterrupt" in words
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
