"""`agentlog import`: foreign transcripts into the log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from agentlog.cli.options import NO_OPTIONS, Options
from agentlog.cli.progress import Progress
from agentlog.cli.running import FINE, WRONG, with_store
from agentlog.cli.show import Output, warn

if TYPE_CHECKING:
    from agentlog.store import Store
    from replay.imports.rejected import MoveSummary
    from replay.imports.summary import ImportSummary
    from replay.imports.summary import Progress as Imported

SHOWN_MAX = 20


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(import_transcripts, name="import")


def import_transcripts(
    format: Literal["auto", "claude-code", "rsclaw"],
    paths: Annotated[list[Path], Parameter(consume_multiple=True)],
    /,
    *,
    time_zone: str = "UTC",
    options: Options = NO_OPTIONS,
) -> int:
    """Import transcripts, or dumps of another store. Again is harmless: what the log has is left out.

    Lines that cannot be read are copied to the quarantine directory and listed; the rest is imported.

    Parameters
    ----------
    format
        What wrote them; auto looks at each file, and takes transcripts alone.
    paths
        Files, or directories with *.jsonl files at any depth.
    time_zone
        Of cron jobs in a dump of rsclaw that name none: that of the host it ran on, as Europe/Berlin.
    """

    check_any_is_there(paths)

    async def work(store: Store, output: Output, progress: Progress) -> int:
        if format == "rsclaw":
            return await import_dumps(store, paths, time_zone, output, progress)

        def tell(done: Imported) -> None:
            progress.step("importing", done.bytes_done, done.bytes)

        summary = await store.import_transcripts(paths, format=format, progress=tell)
        show_summary(summary, output)
        for refused in summary.refused:
            warn(f"agentlog: refused: {refused.reason}")
        return WRONG if summary.refused else FINE

    return with_store(options, work, create=True)


def check_any_is_there(paths: list[Path]) -> None:
    """Raise BadInput when none of the paths is there, before a store is made for nothing."""
    from replay.imports.files import unreadable

    refused = []
    for path in paths:
        try:
            path.stat()
        except OSError as error:
            refused.append(unreadable(path, error))
    if len(refused) == len(paths):
        raise refused[0]


async def import_dumps(
    store: Store, paths: list[Path], time_zone: str, output: Output, progress: Progress
) -> int:
    """Import dumps of rsclaw, one after the other; show what each did."""
    status = FINE
    for path in paths:
        summary = await store.import_rsclaw(
            path,
            time_zone=time_zone,
            progress=lambda done, total: progress.step("importing", done, total),
        )
        show_move(summary, output)
        status = WRONG if summary.rejected else status
    return status


def show_move(summary: MoveSummary, output: Output) -> None:
    """Show what a move from another store did, and what of it became no event."""
    if output.json:
        output.document(summary)
        return
    values: dict[str, object] = {f"{table} rows": rows for table, rows in summary.rows.items()}
    values |= {"events_new": summary.events_new, "events_present": summary.events_present}
    output.record(values | {"rejected": len(summary.rejected)}, title="Moved")
    for note in summary.notes[:SHOWN_MAX]:
        warn(f"note: {note}")
    for row in summary.rejected[:SHOWN_MAX]:
        warn(f"rejected: {row.table} {row.key}: {row.reason} (copied to {row.copy})")
    if len(summary.rejected) > SHOWN_MAX:
        warn(f"rejected: {len(summary.rejected) - SHOWN_MAX:,} more; --json lists all")


def show_summary(summary: ImportSummary, output: Output) -> None:
    """Show what an import did, and what it could not read."""
    if output.json:
        output.document(summary)
        return
    counts = ("files", "sessions", "records", "messages", "compactions", "events_new", "events_present")
    values: dict[str, object] = {name: getattr(summary, name) for name in counts}
    values["quarantined"] = len(summary.quarantined)
    values["refused"] = len(summary.refused)
    values["empty_files"] = len(summary.empty)
    output.record(values, title="Imported")
    tokens = [
        (model or "(no model named)", used.input_tokens, used.output_tokens, used.cache_read_tokens,
         used.cache_write_tokens)
        for model, used in sorted(summary.tokens.items())
    ]  # fmt: skip
    if tokens and output.people:
        output.table(("model", "input", "output", "cache_read", "cache_write"), tokens, title="Tokens")
    for span in summary.quarantined[:SHOWN_MAX]:
        warn(
            f"quarantined: {span.file}:{span.line}: {span.reason}"
            f" ({span.length_bytes:,} bytes, copied to {span.copy})"
        )
    if len(summary.quarantined) > SHOWN_MAX:
        warn(f"quarantined: {len(summary.quarantined) - SHOWN_MAX:,} more; --json lists all")
