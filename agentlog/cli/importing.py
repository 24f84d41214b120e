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
    from replay.imports.summary import ImportSummary
    from replay.imports.summary import Progress as Imported

SHOWN_MAX = 20


def register(app: App) -> None:
    """Add the commands of this file."""
    app.command(import_transcripts, name="import")


def import_transcripts(
    format: Literal["auto", "claude-code"],
    paths: Annotated[list[Path], Parameter(consume_multiple=True)],
    /,
    *,
    options: Options = NO_OPTIONS,
) -> int:
    """Import transcripts. Again is harmless: what the log has already is left out.

    Lines that cannot be read are copied to the quarantine directory and listed; the rest is imported.

    Parameters
    ----------
    format
        What wrote them; auto looks at each file.
    paths
        Files, or directories with *.jsonl files at any depth.
    """

    async def work(store: Store, output: Output, progress: Progress) -> int:
        def tell(done: Imported) -> None:
            progress.step("importing", done.bytes_done, done.bytes)

        summary = await store.import_transcripts(paths, format=format, progress=tell)
        show_summary(summary, output)
        for refused in summary.refused:
            warn(f"agentlog: refused: {refused.reason}")
        return WRONG if summary.refused else FINE

    return with_store(options, work, create=True)


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
