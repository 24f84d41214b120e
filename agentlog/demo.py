"""The main job on the bundled sample: import, sessions, a new generation, an archive query, replay, verify.

Every figure is of this run on this machine. Shows nothing itself; the command line does.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import msgspec

from agentlog.configuration import Configuration
from agentlog.opening import Opening
from agentlog.store import Store
from eventlog.clock import SystemClock
from eventlog.settings import Settings
from replay.report import Finding

SCHEMA = "agentlog_demo"

COST_SQL = """
select model, count(*) as responses, sum(input_tokens) as input, sum(output_tokens) as output,
       sum(cache_read_tokens) as cache_read, sum(cache_write_tokens) as cache_write,
       round(sum(cost), 4) as cost_usd
from usage group by model order by model
"""


class Demonstration(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo did.

    Attributes:
        data: the data directory; everything in it is of the demo.
        sessions, messages, generations, events: in the log afterwards.
        events_new: appended by this run; none when it ran here before.
        quarantined: lines of the sample that became no event.
        import_events_per_s: of the import, each event acknowledged durable twice.
        replay_events_per_s: of the fold of the whole log, and its comparison with the live tables.
        replay_differences: what the fold found to differ.
        usage: tokens and cost by model; each API response counted once.
        newest: key of the newest session, if there is one.
        findings: of verify.
    """

    data: str
    sessions: int
    messages: int
    generations: int
    events: int
    events_new: int
    quarantined: int
    import_events_per_s: int
    replay_events_per_s: int
    replay_differences: int
    usage: list[dict[str, Any]]
    newest: list[str]
    findings: list[Finding]

    @property
    def verified(self) -> bool:
        return not self.findings and not self.replay_differences


async def demonstrate(
    data: Path,
    *,
    postgres: str | None = None,
    tell: Callable[[str], None],
    step: Callable[[str, int, int], None],
) -> Demonstration:
    """Run the demo in a data directory, made when missing.

    Args:
        postgres: URL of a server of one's own; the demo then has a schema of its own in it,
            SCHEMA. The environment is not looked at: a demo must not end up in somebody's log.
        tell: called with one line before each part.
        step: called with (what, done, total) while a part runs.
    """
    clock = SystemClock()
    tell(f"opening a store in {data}")
    settings = Settings() if postgres is None else Settings(schema=SCHEMA)
    configuration = Configuration(data=data, postgres=postgres, tenant="", settings=settings)
    async with Opening(configuration, migrate=True, tell=tell) as store:
        tell("importing the bundled transcripts: each event into Postgres and into the local segments")
        started = clock.monotonic()
        with as_file(files("agentlog") / "sample") as sample:
            summary = await store.import_transcripts(
                [sample], progress=lambda done: step("import", done.bytes_done, done.bytes)
            )
        import_s = clock.monotonic() - started
        tell("asking the archive: DuckDB over the whole log")
        usage = await store.archive.sql(COST_SQL)
        tell("replaying: the whole log folded beside the live tables, and compared with them")
        report = await store.rebuild(progress=step)
        tell("verifying: both copies, the hash chain, the projections, the archive")
        findings = await store.verify(step)
        status = await store.status()
        return Demonstration(
            data=str(data),
            sessions=status.sessions,
            messages=status.messages,
            generations=status.generations,
            events=status.position,
            events_new=summary.events_new,
            quarantined=len(summary.quarantined),
            import_events_per_s=_rate(summary.events_new, import_s),
            replay_events_per_s=_rate(report.events, report.seconds),
            replay_differences=len(report.differences),
            usage=usage.dicts(),
            newest=await _newest(store),
            findings=findings,
        )


async def _newest(store: Store) -> list[str]:
    return [session.key for session in await store.sessions.list(limit=1)]


def _rate(events: int, seconds: float) -> int:
    return round(events / seconds) if seconds > 0 else 0
