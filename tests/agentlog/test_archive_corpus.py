"""Every named query over real transcripts, compared with loops over the files that share no code with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from projections.archive import named_queries
from tests.projections.archive.asking import Ask, asking
from tests.projections.archive.history import History
from tests.replay.imports.test_corpus import converted, real_files
from tests.replay.imports.transcripts import needs_corpus

pytestmark = needs_corpus

# Totals of input, output, cache read and cache written, by model, which tests/replay/imports/test_corpus.py
# has from another count. And list prices, in USD per million tokens, in the same order.
PRICED = {
    "claude-opus-4-6": ((5985, 146067, 58697006, 1423443), ("5", "25", "0.5", "6.25")),
    "claude-sonnet-4-20250514": ((1533, 75848, 8377717, 405045), ("3", "15", "0.3", "3.75")),
    "claude-sonnet-4-5-20250929": ((1674, 14035, 3705606, 360854), ("3", "15", "0.3", "3.75")),
    "claude-haiku-4-5-20251001": ((435, 106, 1392470, 151175), ("1", "5", "0.1", "1.25")),
}


def cost(model: str) -> Decimal:
    counts, prices = PRICED[model]
    return sum(count * Decimal(price) for count, price in zip(counts, prices, strict=True)) / 1_000_000


def records(paths: list[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        for line in path.read_bytes().splitlines():
            record = json.loads(line) if line.strip() else None
            if isinstance(record, dict):
                yield record


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    history = History()
    for path in real_files("claude-code"):
        for _, _, line in converted(path):
            for event in line.events:
                history.place(event)
    with asking(history) as asked:
        yield asked


def test_every_query_answers_on_real_transcripts(ask: Ask) -> None:
    """With the columns it says; `asking` compares them."""
    [longest] = ask("longest_sessions", count=1)
    empty = {name for name in named_queries() if not ask(name, **asked_with(name, longest[1]))}

    assert empty == {"queue_percentiles"}  # nobody claims in these files


def asked_with(name: str, session: str) -> dict[str, str]:
    return {"session": session} if name.startswith("session_tree") and name != "session_tree_cost" else {}


def test_totals_equal_the_known_figures_each_response_once(ask: Ask) -> None:
    """A naive sum over these lines is 1.8 to 2.7 times as high."""
    by_model = {row[0]: row for row in ask("tokens_by_model")}

    assert {model: row[3:7] for model, row in by_model.items()} == {m: PRICED[m][0] for m in PRICED}
    assert {model: row[8] for model, row in by_model.items()} == {model: cost(model) for model in PRICED}
    [totals] = ask("totals")
    assert totals[10] == sum(map(cost, PRICED))
    assert totals[3] == sum(
        row["messages"]
        for row in json.loads((real_files("claude-code")[0].parents[2] / "manifest.json").read_bytes())
        if row["file"].startswith("claude-code/")
    )


def test_every_way_to_sum_up_gives_one_sum(ask: Ask) -> None:
    """By day, model, agent, tenant and tree: nothing twice, nothing lost."""
    total = sum(map(cost, PRICED))

    for name in ("tokens_by_day", "tokens_by_day_and_model", "tokens_by_agent", "tokens_by_tenant"):
        rows = ask(name)
        assert sum(row[-2] for row in rows if row[-2] is not None) == total, name
        assert sum(row[-6] for row in rows) == 236056, name
    trees = ask("session_tree_cost", count=1000)
    assert sum(row[9] for row in trees if row[9] is not None) == total
    assert sum(row[4] for row in trees) == len({row[1] for row in ask("session_timeline", count=1000)}) + 1


def blocks(record: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    content = record["message"].get("content") if isinstance(record.get("message"), dict) else None
    return [one for one in content if one.get("type") == kind] if isinstance(content, list) else []


def test_tools_equal_a_plain_count_of_the_files(ask: Ask) -> None:
    """Calls by name, and the results of them that say they are errors."""
    called: dict[str, str] = {}
    calls: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    everything = list(records(real_files("claude-code")))
    for record in everything:
        for block in blocks(record, "tool_use"):
            called[block["id"]] = block["name"]
            calls[block["name"]] += 1
    for record in everything:
        for block in blocks(record, "tool_result"):
            errors[called[block["tool_use_id"]]] += block.get("is_error") is True

    assert {row[0]: row[1] for row in ask("slowest_tools", count=1000)} == calls
    assert {row[0]: row[3] for row in ask("failing_tools", count=1000)} == +errors


def test_hours_equal_a_plain_count_of_the_files(ask: Ask) -> None:
    """By the hour each line says in its own timestamp."""
    plain = Counter(
        str(record["timestamp"])[11:13]
        for record in records(real_files("claude-code"))
        if record.get("type") in ("user", "assistant") and "message" in record
    )
    ours: Counter[str] = Counter()
    for _, hour, messages, *_ in ask("activity_by_hour"):
        ours[f"{hour:02d}"] += messages

    assert ours == plain
