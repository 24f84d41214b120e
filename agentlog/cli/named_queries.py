"""`agentlog archive queries` and `agentlog archive query`: questions that have a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.archives import archive
from agentlog.cli.options import NO_OPTIONS, Options, Timeout
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, with_store
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.store import Store

# What `store.archive.query` takes besides the query's own parameters.
_TAKEN = frozenset(("tenant", "timeout_s"))


def register(app: App) -> None:
    """Add the commands of this file."""
    archive.command(queries)
    archive.command(query)


def queries(*, options: Options = NO_OPTIONS) -> int:
    """List the named queries: what each answers, and what it can be asked with."""
    # They are part of the program: no store is needed to tell what can be asked.
    from projections.archive.named_query import named_queries

    output = Output(options.json)
    for found in named_queries().values() if output.json else ():
        parameters = [parameter._asdict() for parameter in found.parameters]
        columns = [column._asdict() for column in found.columns]
        output.document(
            {
                "name": found.name,
                "answers": found.answers,
                "notes": found.notes,
                "parameters": parameters,
                "columns": columns,
            }
        )
    if not output.json:
        rows = [
            (found.name, found.answers, " ".join(parameter.name for parameter in found.parameters))
            for found in named_queries().values()
        ]
        output.table(("name", "answers", "parameters"), rows)
    return FINE


def query(
    name: str,
    parameters: list[str] | None = None,
    /,
    *,
    timeout: Timeout = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Ask a named query.

    Parameters
    ----------
    name
        Which one; `agentlog archive queries` lists them.
    parameters
        As NAME=VALUE, for example since=2026-11-01.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        table = await store.archive.query(name, timeout_s=timeout, **_named(parameters or []))
        output.table(table.columns, table.rows)
        return FINE

    return with_store(options, work)


def _named(words: list[str]) -> dict[str, str]:
    """Read NAME=VALUE. Raises BadInput."""
    from agentlog.errors import BadInput

    named = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name in _TAKEN:
            raise BadInput(f"{word!r} is no parameter of a query", hint="write NAME=VALUE")
        named[name] = value
    return named
