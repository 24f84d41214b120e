"""`agentlog archive …` and `agentlog sql`: questions to the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from agentlog.cli.options import NO_OPTIONS, AfterPosition, Flag, Limit, Options, Timeout
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, with_store
from agentlog.cli.show import Output, warn
from agentlog.cli.values import read_time

if TYPE_CHECKING:
    from agentlog.archive_answer import Answer
    from agentlog.store import Store

# Of a message row, what a person reads; --json gives every column.
SHOWN = ("generation", "seq", "role", "tool", "text", "tool_input", "tool_result")
TEXT_CHARACTERS_MAX = 300

archive = App(name="archive", help="What was ever said, over all generations: counts, messages, search.")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(archive)
    app.command(sql)


@archive.command
def stat(session: str, /, *, options: Options = NO_OPTIONS) -> int:
    """Count a session's messages per generation, with places, times and bytes of text.

    Parameters
    ----------
    session
        Its key.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        table = await store.archive.stat(session)
        output.table(table.columns, table.rows)
        return FINE

    return with_store(options, work)


@archive.command
def head(
    session: str, /, *, limit: Limit = 10, after: AfterPosition = 0, options: Options = NO_OPTIONS
) -> int:
    """Print a session's first messages.

    Parameters
    ----------
    session
        Its key.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return show_messages(await store.archive.head(session, limit, after=after), output)

    return with_store(options, work)


@archive.command
def tail(
    session: str, /, *, limit: Limit = 10, before: int | None = None, options: Options = NO_OPTIONS
) -> int:
    """Print a session's last messages, oldest first.

    Parameters
    ----------
    session
        Its key.
    before
        Only of positions below this: the page before.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return show_messages(await store.archive.tail(session, limit, before=before), output, "--before")

    return with_store(options, work)


@archive.command
def seq(
    session: str,
    first: int,
    last: int | None = None,
    /,
    *,
    generation: Annotated[int, Parameter(name=["--generation", "-g"])] = 0,
    options: Options = NO_OPTIONS,
) -> int:
    """Print messages by their place in a generation.

    Parameters
    ----------
    session
        Its key.
    first
        The first one's place; a generation begins with 0.
    last
        The last one's place; without it just one message.
    generation
        Which generation; the first is 0.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return show_messages(await store.archive.seq(session, first, last, generation=generation), output)

    return with_store(options, work)


@archive.command
def timeline(
    session: str,
    /,
    *,
    limit: Limit = 100,
    after: AfterPosition = 0,
    options: Options = NO_OPTIONS,
) -> int:
    """Print what happened in a session, in order: messages in short, and whatever changed it.

    Parameters
    ----------
    session
        Its key.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return show_page(await store.archive.timeline(session, limit, after=after), output)

    return with_store(options, work)


@archive.command
def grep(
    pattern: str,
    sessions: tuple[str, ...] = (),
    /,
    *,
    limit: Limit = 100,
    plain: Flag = False,
    ignore_case: Annotated[bool, Parameter(name=["--ignore-case", "-i"], negative="")] = False,
    context: Annotated[int | None, Parameter(name=["--context", "-C"])] = None,
    role: str | None = None,
    tool: str | None = None,
    generation: Annotated[int | None, Parameter(name=["--generation", "-g"])] = None,
    since: str | None = None,
    until: str | None = None,
    after: AfterPosition = 0,
    options: Options = NO_OPTIONS,
) -> int:
    """Search messages with a regular expression, the oldest first.

    Parameters
    ----------
    pattern
        A regular expression (RE2).
    sessions
        In these sessions alone; without any in all.
    plain
        Take the pattern for itself, not for an expression.
    ignore_case
        Upper and lower case are the same.
    context
        Show whole lines: the first one found, and so many before and after it.
    role
        Messages of this role alone.
    tool
        Messages that call this tool alone.
    generation
        Messages of this generation alone.
    since
        Said at this time or later, e.g. 2026-11-22T07:44:36Z.
    until
        Said before this time.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.archive.grep(
            pattern, *sessions, limit=limit, plain=plain, ignore_case=ignore_case, context=context, role=role,
            tool=tool, generation=generation, since=read_time(since), until=read_time(until), after=after,
        )  # fmt: skip
        return show_page(found, output)

    return with_store(options, work)


@archive.command
def search(
    words: str,
    sessions: tuple[str, ...] = (),
    /,
    *,
    limit: Limit = 20,
    skip: int = 0,
    role: str | None = None,
    tool: str | None = None,
    generation: Annotated[int | None, Parameter(name=["--generation", "-g"])] = None,
    since: str | None = None,
    until: str | None = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Find messages that hold any of some words: those with most of them first, then the newest.

    Parameters
    ----------
    words
        One argument, separated by spaces; upper and lower case are the same.
    sessions
        In these sessions alone; without any in all.
    skip
        Leave out so many that were shown before: the next page.
    role
        Messages of this role alone.
    tool
        Messages that call this tool alone.
    generation
        Messages of this generation alone.
    since
        Said at this time or later, e.g. 2026-11-22T07:44:36Z.
    until
        Said before this time.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        found = await store.archive.search(
            words, *sessions, limit=limit, skip=skip, role=role, tool=tool, generation=generation,
            since=read_time(since), until=read_time(until),
        )  # fmt: skip
        return show_page(found, output)

    return with_store(options, work)


def sql(
    query: str,
    /,
    *,
    timeout: Timeout = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Run one SELECT in DuckDB over the views of the archive. Read-only.

    Parameters
    ----------
    query
        For example: select model, sum(output_tokens) from usage group by all
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        table = await store.archive.sql(query, timeout_s=timeout)
        output.table(table.columns, table.rows)
        return FINE

    return with_store(options, work)


def show_page(answer: Answer, output: Output) -> int:
    """Show a page as a table, and where the next one begins."""
    output.table(answer.columns, answer.rows)
    return _show_more(answer, "--after")


def _show_more(answer: Answer, option: str) -> int:
    """Say on stderr that there is more: stdout is the answer alone."""
    if answer.more is not None:
        warn(f"there is more: {option} {answer.more}")
    return FINE


def show_messages(answer: Answer, output: Output, option: str = "--after") -> int:
    """Show messages: what was said, shortened, for people; every column for programs.

    `option` is the one that names the next page.
    """
    if not output.people:
        output.table(answer.columns if output.json else SHOWN, _chosen(answer, output))
        return _show_more(answer, option)
    rows = []
    for row in answer.dicts():
        said = [row["text"], row["tool_input"], row["tool_result"]]
        rows.append(
            (row["generation"], row["seq"], row["role"], row["tool"], _short("\n".join(filter(None, said))))
        )
    output.table(("generation", "seq", "role", "tool", "said"), rows)
    return _show_more(answer, option)


def _chosen(answer: Answer, output: Output) -> list[tuple[Any, ...]]:
    if output.json:
        return answer.rows
    return [tuple(row[name] for name in SHOWN) for row in answer.dicts()]


def _short(text: str) -> str:
    return text if len(text) <= TEXT_CHARACTERS_MAX else text[:TEXT_CHARACTERS_MAX] + "…"
