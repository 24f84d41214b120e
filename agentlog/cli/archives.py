"""`agentlog archive …` and `agentlog sql`: questions to the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, with_store
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.archive import Answer
    from agentlog.store import Store

# Of a message row, what a person reads; --json gives every column.
SHOWN = ("generation", "seq", "role", "tool", "text", "tool_input", "tool_result")
TEXT_CHARACTERS_MAX = 300

Count = Annotated[int, Parameter(name=["--count", "-n"])]

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
def head(session: str, /, *, count: Count = 10, options: Options = NO_OPTIONS) -> int:
    """Print a session's first messages.

    Parameters
    ----------
    session
        Its key.
    count
        At most so many.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return show_messages(await store.archive.head(session, count), output)

    return with_store(options, work)


@archive.command
def tail(session: str, /, *, count: Count = 10, options: Options = NO_OPTIONS) -> int:
    """Print a session's last messages, oldest first.

    Parameters
    ----------
    session
        Its key.
    count
        At most so many.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        return show_messages(await store.archive.tail(session, count), output)

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
def grep(
    pattern: str,
    session: str | None = None,
    /,
    *,
    limit: Annotated[int, Parameter(name=["--limit", "-n"])] = 100,
    options: Options = NO_OPTIONS,
) -> int:
    """Search messages with a regular expression, the oldest first.

    Parameters
    ----------
    pattern
        A regular expression (RE2). `(?i)` in front of it ignores case.
    session
        In that session alone; without it in all.
    limit
        At most so many.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        table = await store.archive.grep(pattern, session, limit=limit)
        output.table(table.columns, table.rows)
        return FINE

    return with_store(options, work)


@archive.command
def build(*, options: Options = NO_OPTIONS) -> int:
    """Write Parquet files for everything so far. Answers are the same without; quicker with."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        def tell(position: int, until: int) -> None:
            progress.step("archiving", position, until)

        output.record({"archive_position": await store.archive.build(tell)})
        return FINE

    return with_store(options, work, whole=True)


@archive.command
def rebuild(*, options: Options = NO_OPTIONS) -> int:
    """Make Parquet files again from the log where they are not what it says; `verify` names them."""

    async def work(store: Store, output: Output, progress: Progress) -> int:
        def tell(position: int, until: int) -> None:
            progress.step("archiving", position, until)

        output.record({"ranges_made_again": await store.archive.rebuild(tell)})
        return FINE

    return with_store(options, work, whole=True)


def sql(
    query: str,
    /,
    *,
    timeout: Annotated[float | None, Parameter(name="--timeout-s")] = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Run one SELECT in DuckDB over the views events, messages, sessions and usage. Read-only.

    Parameters
    ----------
    query
        For example: select model, sum(output_tokens) from usage group by all
    timeout
        Stop after so many seconds.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        table = await store.archive.sql(query, timeout_s=timeout)
        output.table(table.columns, table.rows)
        return FINE

    return with_store(options, work)


def show_messages(answer: Answer, output: Output) -> int:
    """Show messages: what was said, shortened, for people; every column for programs."""
    if not output.people:
        output.table(answer.columns if output.json else SHOWN, _chosen(answer, output))
        return FINE
    rows = []
    for row in answer.dicts():
        said = [row["text"], row["tool_input"], row["tool_result"]]
        rows.append(
            (row["generation"], row["seq"], row["role"], row["tool"], _short("\n".join(filter(None, said))))
        )
    output.table(("generation", "seq", "role", "tool", "said"), rows)
    return FINE


def _chosen(answer: Answer, output: Output) -> list[tuple[Any, ...]]:
    if output.json:
        return answer.rows
    return [tuple(row[name] for name in SHOWN) for row in answer.dicts()]


def _short(text: str) -> str:
    return text if len(text) <= TEXT_CHARACTERS_MAX else text[:TEXT_CHARACTERS_MAX] + "…"
