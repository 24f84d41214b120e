"""Cut connections around the commit of appends, thousands of times, and judge every answer by the log.

    python -m tests.reliability.ambiguous --seed 1 --commits 5000

An append is one function call, and Postgres commits it when it reads the Sync behind the call; the caller
knows only when it has read the whole answer. Between those two moments a lost connection leaves the
outcome open. Each round strikes some appends there (tests/support/proxy.py), with four hosts on one log,
and sometimes Postgres stays away, so that even looking the outcome up fails; some callers are cancelled. Who
was told "unknown" asks again, with the same event ids, and with a key at times on the other host. Then
`history` compares all that was told with what the log holds.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from eventlog.command import Command
from eventlog.embedded.server import EmbeddedPostgres
from eventlog.errors import OutcomeUnknown
from eventlog.log import Log
from tests.reliability.history import check
from tests.reliability.recorder import Recorder, read_calls
from tests.reliability.report import Report, argument_parser, chosen_seed
from tests.support import proxy as faults
from tests.support.builders import assert_whole, noted, open_log, said, story, whole
from tests.support.postgres import fresh_schema, start_shared_server
from tests.support.proxy import Proxy, proxied

STREAMS = [story(key) for key in "abcdefgh"]
ROUND_BOUND_S = 120.0
COMMAND_TIMEOUT_S = 1.0  # swallowed answers cost as much each

# How often each fault is drawn. Those that cost a timeout are rare; all but SLOW leave an outcome open.
WEIGHTS = {
    faults.NEVER_SENT: 10,
    faults.HALF_SENT: 16,
    faults.SENT_AND_CUT: 20,
    faults.LATE: 20,
    faults.ANSWER_LOST: 20,
    faults.HALF_ANSWERED: 16,
    faults.SWALLOWED: 1,
    faults.ANSWER_SWALLOWED: 1,
    faults.SLOW: 6,
}


class Host:
    """One open log behind a proxy of its own, and the clients that use it."""

    def __init__(self, name: str, log: Log, proxy: Proxy, recorder: Recorder, chance: random.Random) -> None:
        self.name, self.log, self.proxy = name, log, proxy
        self.elsewhere: Log = log  # another host's, where a repeat with its key must be known as well
        self.answers: Counter[str] = Counter()
        self._recorder, self._chance = recorder, chance
        self._numbers = 0

    async def round(self) -> None:
        """Strike some appends of several clients; ask again for what stays unknown, until it is known."""
        drawn = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=self._chance.randint(1, 3))
        self.proxy.faults.extend(drawn)
        away = self._chance.random() < 0.15
        commands = [self._command() for _ in range(self._chance.choice([1, 1, 2, 5]))]
        appends = [asyncio.ensure_future(self._append(command)) for command in commands]
        if away:
            await asyncio.wait(appends, timeout=self._chance.random() * 0.03)
            await self.proxy.go_away()
            await asyncio.wait(appends, timeout=self._chance.random() * 0.05)
        if self._chance.random() < 0.03:
            appends[0].cancel()
        answers = await asyncio.gather(*appends, return_exceptions=True)
        if away:
            await self.proxy.come_back()
        while unknown := [
            command for command, known in zip(commands, answers, strict=True) if known is not True
        ]:
            commands = unknown
            answers = await asyncio.gather(*[self._append(it, repeated=True) for it in commands])
        self.proxy.faults.clear()

    async def _append(self, command: Command, *, repeated: bool = False) -> bool:
        """Append and write down what was told; return whether its outcome is known."""
        told, log = "receipt", self.log
        if repeated and command.idempotency_key is not None and self._chance.random() < 0.5:
            log = self.elsewhere
        try:
            await self._recorder.append(log, command, client=self.name)
        except OutcomeUnknown:
            told = "unknown"
        except asyncio.CancelledError:
            told = "cancelled"
        except Exception as error:  # whether that may be told, `check` says
            told = type(error).__name__
        self.answers[told] += 1
        return told not in ("unknown", "cancelled")

    def _command(self) -> Command:
        """Draw a command: blind or expecting, with a key or without, on one stream or several, old or new."""
        self._numbers += 1
        text = f"{self.name} {self._numbers}"
        streams = self._chance.sample(STREAMS, self._chance.choice([1, 1, 1, 2, 3]))
        if self._chance.random() < 0.1:
            streams[0] = story(text)
        events = [said(stream, text) for stream in streams]
        if self._chance.random() < 0.3:
            events.append(noted(streams[0]))
        known = self.log._parts.writer.known(streams[0])
        expected = {}
        if self._chance.random() < 0.3:
            expected = {streams[0]: known.version if known else 0}
        key = f"{text} key" if self._chance.random() < 0.3 else None
        return Command(events, expected=expected, idempotency_key=key)


async def run(server: Mapping[str, Any], directory: Path, seed: int, commits: int) -> Report:
    """Strike so many commits; `directory` must have a short path, for sockets."""
    report = Report("ambiguous", seed)
    chance, schema = random.Random(seed), fresh_schema()
    recorder = Recorder(directory / "calls")
    async with AsyncExitStack() as stack:
        stack.callback(recorder.close)
        hosts = []
        for name in ("one", "two", "three", "four"):
            (directory / name).mkdir()
            proxy = await stack.enter_async_context(proxied(server, directory / name, chance.getrandbits(32)))
            log = await open_log(
                proxy.connection, schema, directory / name / "data", command_timeout_s=COMMAND_TIMEOUT_S
            )
            await stack.enter_async_context(log)
            hosts.append(Host(name, log, proxy, recorder, random.Random(chance.getrandbits(32))))

        for host, following in zip(hosts, [*hosts[1:], hosts[0]], strict=True):
            host.elsewhere = following.log

        async def strike(host: Host) -> None:
            while sum(host.proxy.strikes for host in hosts) < commits:
                async with asyncio.timeout(ROUND_BOUND_S):
                    await host.round()

        for ended in await asyncio.gather(*map(strike, hosts), return_exceptions=True):
            if isinstance(ended, TimeoutError):
                report.failures.append(f"a round took over {ROUND_BOUND_S} s: an append hangs")
            elif ended is not None:
                raise ended
        for host in hosts:
            await host.proxy.settled()
    seconds = report.elapsed_s()
    answers = sum((host.answers for host in hosts), Counter[str]())
    struck = sum(host.proxy.strikes for host in hosts)
    report.counts |= {
        "ambiguous_commits": struck,
        "per_second": round(struck / seconds, 1),
        "appends": sum(answers.values()),
        **{f"told_{told}": count for told, count in sorted(answers.items())},
    }
    await _judge(server, schema, directory, hosts, report)
    return report


async def _judge(
    server: Mapping[str, Any], schema: str, directory: Path, hosts: Sequence[Host], report: Report
) -> None:
    """Open every host's copy anew, with patience and no proxy, and compare all with what was told."""
    for host in hosts:
        log = await open_log(
            server, schema, directory / host.name / "data", migrate=False, command_timeout_s=600.0
        )
        async with log:
            try:
                events = await assert_whole(log)
            except AssertionError as error:
                report.failures.append(f"host {host.name}: {error}")
                events = await whole(log)
    report.failures += check([read_calls(directory / "calls")], events)
    report.counts |= {
        "events": len(events),
        "duplicates": len(events) - len({event.id for event in events}),
        "wrong_answers": len(report.failures),
    }


def main() -> int:
    parser = argument_parser(__doc__.split("\n")[0])
    parser.add_argument("--commits", type=int, default=5_000, help="how many appends to strike")
    arguments = parser.parse_args()
    seed = chosen_seed(arguments)
    with tempfile.TemporaryDirectory(prefix="agentlog-") as directory, start_shared_server() as server:
        report = asyncio.run(_on(server, Path(directory), seed, arguments.commits))
    return report.finish(as_json=arguments.json)


async def _on(server: EmbeddedPostgres, directory: Path, seed: int, commits: int) -> Report:
    return await run(server.connection, directory, seed, commits)


if __name__ == "__main__":
    sys.exit(main())
