"""Totals over real transcripts: each API response once, each call with its result, by two ways of counting.

The figures that are written down were obtained by loops over the JSON that share no code with ours: the last
usage of each `message.id` of a file; every `tool_use` block; of these, those whose id a `tool_result` of the
same session names, and with `is_error` true in the first one that does.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.projections.archive.history import History
from tests.replay.imports.test_corpus import converted, real_files
from tests.replay.imports.transcripts import needs_corpus

KNOWN = {
    "claude-sonnet-4-20250514": (1533, 75848, 8377717, 405045),
    "claude-sonnet-4-5-20250929": (1674, 14035, 3705606, 360854),
    "claude-opus-4-6": (5985, 146067, 58697006, 1423443),
    "claude-haiku-4-5-20251001": (435, 106, 1392470, 151175),
}


def naive_calls(found: list[tuple[str, dict[str, Any]]]) -> Counter[tuple[str, bool | None]]:
    """Calls by tool and by what became of them: error, fine, or None without a result."""
    calls, results = [], dict[tuple[str, str], bool]()
    for session, record in found:
        content = record.get("message", {}).get("content")
        for block in content if isinstance(content, list) else []:
            if block["type"] == "tool_use":
                calls.append((session, block["id"], block["name"]))
            elif block["type"] == "tool_result":
                results.setdefault((session, block["tool_use_id"]), block.get("is_error") is True)
    return Counter((name, results.get((session, id))) for session, id, name in calls)


@needs_corpus
def test_totals_of_the_real_transcripts_are_those_counted_by_hand(tmp_path: Path) -> None:
    """From Parquet files and tail together, as any answer is."""
    history, records = History(), list[tuple[str, dict[str, Any]]]()
    for path in real_files("claude-code"):
        for line, session, found in converted(path):
            for event in found.events:
                history.place(event)
            if found.message:
                records.append((session, json.loads(line)))
    archive = history.archive(tmp_path, range_events=1500)
    archive.build(history.head * 2 // 3)
    with archive.connect(history.head) as connection:
        usage = connection.sql(
            "select model, sum(input_tokens), sum(output_tokens), sum(cache_read_tokens),"
            " sum(cache_write_tokens) from usage group by all"
        ).rows()
        calls = connection.sql("select tool, error, count(*) from tool_calls group by all").rows()
        (messages,) = connection.sql("select count(*) from messages").rows()[0]
        (sessions,) = connection.sql("select sum(messages) from sessions").rows()[0]
        (generations,) = connection.sql("select sum(messages) from generations").rows()[0]
        (events,) = connection.sql("select count(*) from events").rows()[0]
    assert {row[0]: row[1:] for row in usage if any(row[1:])} == KNOWN
    assert Counter({(tool, error): count for tool, error, count in calls}) == naive_calls(records)
    assert messages == sessions == generations == len(records)
    assert events == history.head
