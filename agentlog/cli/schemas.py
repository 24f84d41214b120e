"""`agentlog schema migrate / print / verify / events`: the database, and the shapes of what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress, progress
from agentlog.cli.running import FINE, WRONG, check_exists, configured, finish, with_store
from agentlog.cli.show import Output

if TYPE_CHECKING:
    from agentlog.store import Store

schema = App(name="schema", help="The database schema: bring it up to date, print it, compare it.")


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(schema)


@schema.command
def migrate(*, options: Options = NO_OPTIONS) -> int:
    """Bring the schema up to this release, and make what depends on it again. Again is harmless."""
    return finish(_migrate(options))


async def _migrate(options: Options) -> int:
    import agentlog

    configuration = configured(options)
    with progress() as bars:
        store = await agentlog.open(
            configuration.data, postgres=configuration.postgres, tenant="", settings=configuration.settings,
            migrate=True, progress=bars.say,
        )  # fmt: skip
        await store.close()
    Output(options.json).record(
        {
            "schema": configuration.settings.schema,
            "postgres": configuration.shown_postgres,
            "up_to_date": True,
        }
    )
    return FINE


@schema.command(name="print")
def print_(*, options: Options = NO_OPTIONS) -> int:
    """Print the SQL that makes the schema in an empty database, for tools of your own."""
    from eventlog.postgres.migrate import print_sql
    from projections.catalog import VIEWS_SQL

    output, configuration = Output(options.json), configured(options)
    text = print_sql(configuration.settings.schema, configuration.folds, (VIEWS_SQL,))
    output.document({"sql": text}) if output.json else output.line(text.rstrip("\n"))
    return FINE


@schema.command
def verify(*, options: Options = NO_OPTIONS) -> int:
    """Compare the schema with what this release makes: tables, columns, indexes, functions.

    Prints each difference and exits with status 1. Changes nothing.
    """
    return finish(_verify(options))


async def _verify(options: Options) -> int:
    from agentlog.servers import server_of
    from eventlog.postgres.connect import session
    from eventlog.postgres.inspect import differences
    from projections.catalog import VIEWS_SQL

    configuration = configured(options)
    check_exists(configuration)
    output = Output(options.json)
    settings = configuration.settings
    with progress() as bars:
        async with server_of(configuration, bars.say) as target:
            wait_s = settings.connect_timeout_s
            async with session(target, timeout_s=wait_s, command_timeout_s=None) as connection:
                found = await differences(connection, settings.schema, configuration.folds, (VIEWS_SQL,))
    if output.json:
        output.document({"schema": settings.schema, "verified": not found, "differences": found})
    else:
        for difference in found:
            output.say(difference)
        if not found:
            output.say(f"schema {settings.schema} is as this release makes it")
    return WRONG if found else FINE


@schema.command
def events(*, options: Options = NO_OPTIONS) -> int:
    """List the types of events that the log holds, in which shapes, and how this release reads them.

    read: as they are. upcast: raised to today's shape. newer, unknown: of a later release; kept and
    passed on, folded as nothing. Always of the whole log.
    """

    async def work(store: Store, output: Output, bars: Progress) -> int:
        import msgspec

        columns = ("type", "schema", "events", "first_position", "last_position", "reading")
        found = await store.replay.event_types()
        output.table(columns, [list(msgspec.structs.astuple(one)) for one in found])
        return FINE

    return with_store(options, work, whole=True)
