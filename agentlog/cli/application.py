"""The tree of commands, and how words become a call. What each does is in its own file.

These files import no more than the parser needs: what a command works with, it imports when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from cyclopts import App, CycloptsError, UnknownCommandError

from agentlog.cli import (
    about,
    accesses,
    aliases,
    archive_files,
    archives,
    conversation_edits,
    deliveries,
    demonstration,
    examination,
    exporting,
    external_ends,
    external_jobs,
    importing,
    keyvalues,
    mending,
    migrating,
    named_queries,
    plans,
    queues,
    replays,
    reports,
    schedule_files,
    schedules,
    schemas,
    sessions,
    tailing,
    tasks,
    trust,
)
from agentlog.cli.arguments import global_options_last
from agentlog.cli.running import FINE, MISUSE, guarded
from agentlog.cli.show import visible_lines

HELP = (
    "An append-only log of what AI agents do, in Postgres and in local files, replayed into state.\n\n"
    "Start with `agentlog demo`. Every command takes --data, --postgres, --tenant and --json, before"
    " or after its name. Exit status: 0 fine, 1 something wrong was found or failed, 2 misuse."
)

# Plain text: rich takes 0.1 s to load its Markdown.
app = App(
    name="agentlog",
    help=HELP,
    help_format="plaintext",
    version_flags=["--version"],
    version=lambda: about.release(),
)
for module in (
    demonstration,
    importing,
    migrating,
    sessions,
    aliases,
    archives,
    archive_files,
    named_queries,
    reports,
    tailing,
    queues,
    tasks,
    external_jobs,
    external_ends,
    schedules,
    schedule_files,
    conversation_edits,
    plans,
    keyvalues,
    deliveries,
    accesses,
    trust,
    mending,
    replays,
    exporting,
    schemas,
    examination,
    about,
):
    module.register(app)


def run(words: Sequence[str]) -> int:
    """Run one command line and return the exit status."""
    tokens = global_options_last(words, is_command, is_group)
    try:
        command, bound, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        help_for = " ".join(["agentlog", *(error.command_chain or ())])
        unknown = isinstance(error, UnknownCommandError) and (error.unused_tokens or [""])[0]
        said = (elsewhere(unknown) if unknown else "") or str(error)
        sys.stderr.write(f"agentlog: {visible_lines(said)}\nSee `{help_for} --help`.\n")
        return MISUSE
    answer = guarded(lambda: command(*bound.args, **bound.kwargs))
    return answer if isinstance(answer, int) else FINE


def elsewhere(name: str) -> str:
    """Say where a command is that was looked for in another group; "" when nothing has that name."""
    found = [f"`agentlog {' '.join(words)}`" for words in _named(name, app, ())]
    return f'there is no command "{name}" here; there is {", ".join(found)}' if found else ""


def _named(name: str, group: App, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for word in group:
        if word == name:
            yield (*words, word)
        elif not word.startswith("-"):
            yield from _named(name, group[word], (*words, word))


def is_command(words: Sequence[str]) -> bool:
    """Whether the words, one after the other, name a command or a group of commands."""
    chain, _, rest = app.parse_commands(list(words))
    return len(chain) == len(words) and not rest


def is_group(words: Sequence[str]) -> bool:
    """Whether the words name a group of commands, which does nothing by itself."""
    _, apps, _ = app.parse_commands(list(words))
    return apps[-1].default_command is None
