"""`agentlog demo`: the main job, once through, on the bundled sample."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import progress
from agentlog.cli.running import FINE, WRONG, finish
from agentlog.cli.show import Output, visible

DEFAULT_DATA = Path("demo-data")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(demo)


def demo(*, options: Options = NO_OPTIONS) -> int:
    """Import the bundled sample, ask the archive, replay and verify: the main job, once through.

    Works in ./demo-data unless --data says otherwise, with an embedded Postgres unless --postgres
    does (in a schema of its own, agentlog_demo). Variables AGENTLOG_… are not looked at. Again is
    harmless.
    """
    return finish(_demo(options))


async def _demo(options: Options) -> int:
    import msgspec

    from agentlog.demo import demonstrate

    output = Output(options.json)
    data = (options.data or DEFAULT_DATA).absolute()

    with progress() as bars:

        def tell(text: str) -> None:
            if not output.json:
                sys.stderr.write(f"· {visible(text)}\n")

        done = await demonstrate(data, postgres=options.postgres, tell=tell, step=bars.step)
    if output.json:
        output.document(msgspec.structs.asdict(done) | {"verified": done.verified})
    else:
        values = {
            "data": done.data, "sessions": done.sessions, "messages": done.messages,
            "generations": done.generations, "events": done.events,
            "quarantined lines": done.quarantined,
            "import events/s": done.import_events_per_s if done.events_new else "none: it ran here before",
            "replay events/s": done.replay_events_per_s, "verified": done.verified,
        }  # fmt: skip
        output.record(values, title="agentlog demo")
        if done.usage:
            output.table(list(done.usage[0]), [list(row.values()) for row in done.usage], title="Usage")
        for finding in done.findings:
            output.say(str(finding))
        output.say("Next:")
        for command in next_commands(done.data, done.newest, options.postgres):
            output.say(f"  {command}")
    return FINE if done.verified else WRONG


def next_commands(data: str, newest: list[str], postgres: str | None) -> list[str]:
    """Return three commands worth trying on what the demo made."""
    from agentlog.configuration import shown
    from agentlog.demo import SCHEMA

    # Who runs it from a virtual environment that is not active has no `agentlog` on the path. (`python -m`
    # looks into the working directory first: any folder called agentlog would come before the package.)
    beside = Path(sys.executable).with_name("agentlog")
    if shutil.which("agentlog"):
        program = "agentlog"
    elif beside.exists():
        program = shlex.quote(str(beside))
    else:
        program = f"{shlex.quote(sys.executable)} -m agentlog"
    store = f"{program} --data {shlex.quote(data)}"
    if postgres is not None:
        store = f"AGENTLOG_SCHEMA={SCHEMA} {store} --postgres {shlex.quote(shown(postgres))}"
    session = shlex.quote(newest[0]) if newest else "SESSION"
    return [
        f"{store} sessions ls",
        f"{store} archive tail {session}",
        f'{store} sql "select tool, count(*) from messages where tool is not null group by all"',
    ]
