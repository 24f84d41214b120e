"""What the views say: sessions as the live tables have them, and each response's usage once."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.events import (
    ConversationCompacted,
    GenerationStarted,
    RecordKept,
    SessionCreated,
    SessionDeleted,
    SessionEnded,
    SessionUpdated,
    Usage,
    raw,
)
from projections.archive import duck
from projections.archive.columns import HIDDEN, SUMS, TABLES
from projections.archive.prices import BUNDLED, read_prices
from projections.generations import GENERATIONS
from projections.session import SESSIONS
from tests.projections.archive.history import History, tokens

words = st.none() | st.sampled_from(("x", "y", ""))
changes = st.one_of(
    st.builds(SessionCreated, title=words, agent=words, model=words, parent=words, source=words),
    st.builds(
        SessionUpdated,
        title=words,
        mode=words,
        state=st.none() | st.just("paused"),
        cleared=st.sampled_from(((), ("title",), ("mode", "parent"), ("unheard_of",))),
    ),
    st.just(SessionEnded()),
    st.just(SessionDeleted()),
    st.just(RecordKept("codex", raw(1))),
    st.just(ConversationCompacted()),
    st.builds(GenerationStarted, st.integers(0, 3), st.just(0)),
    st.none(),  # a message
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), changes), min_size=1, max_size=20))
def test_sessions_are_what_the_live_tables_have(history_steps: list[tuple[str, Any]]) -> None:
    """Two folds of the same events, one in Python and one in SQL, must tell one story."""
    history = History()
    live: dict[str, tuple[Any, Any]] = {}
    for session, change in history_steps:
        event = history.message(session) if change is None else history.say(session, change)
        state, generation = live.get(session, (None, None))
        if event.type in SESSIONS.types:
            state = SESSIONS.evolve(state, event, event.version)
        if event.type in GENERATIONS.types:
            generation = GENERATIONS.evolve(generation, event, event.version)
        live[session] = (state, generation)
    columns = ("title", "agent", "mode", "state", "parent", "source")
    with TemporaryDirectory() as directory, history.connect(Path(directory)) as connection:
        shown = connection.sql(
            f"select session, generation, model, {', '.join(columns)} from sessions"
        ).rows()
    assert sorted(shown, key=repr) == sorted(
        (
            (
                session,
                generation.generation if generation else 0,
                state.model,
                *(getattr(state, column) for column in columns),
            )
            for session, (state, generation) in live.items()
        ),
        key=repr,
    )


def test_a_session_sums_up_its_messages(tmp_path: Path) -> None:
    """One row to list it by."""
    history = History()
    history.say("s", SessionCreated(title="T"), tenant="acme")
    history.message("s", model="gpt-4o", response_id="r", usage=Usage(10, 20, 30, 40, 50), tenant="acme")
    history.say("s", GenerationStarted(1, 1), tenant="acme")
    history.message("s", model="o3", usage=tokens(1, 2), cost=Decimal("1.5"), tenant="acme")
    with history.connect(tmp_path) as connection:
        [row] = connection.sql("select * from sessions").dicts()
    assert (row["title"], row["model"], row["state"]) == ("T", "o3", "active")
    assert (row["generation"], row["generations"], row["compactions"], row["messages"]) == (1, 2, 0, 2)
    assert (row["input_tokens"], row["output_tokens"], row["reasoning_tokens"]) == (11, 22, 50)
    estimated = (10 * Decimal("2.5") + 20 * 10 + 30 * Decimal("1.25") + 40 * Decimal("2.5")) / 1_000_000
    assert row["cost"] == Decimal("1.5") + estimated
    assert (row["last_time"] - row["first_time"]).total_seconds() == 3


def test_a_response_split_over_messages_counts_once(tmp_path: Path) -> None:
    """Real transcripts repeat usage on several lines; the importer says differences."""
    history = History()
    history.message("s", response_id="r1", model="gpt-4o", usage=tokens(100, 5))
    history.message("s", response_id="r1", model="gpt-4o", usage=tokens(0, 7))
    history.message("s", response_id="r1", model="gpt-4o", usage=tokens(0, -2))
    history.message("s", response_id="r2", model="gpt-4o", usage=tokens(1, 1))
    history.message("t", response_id="r1", model="gpt-4o", usage=tokens(1, 1))
    history.message("s", model="gpt-4o", usage=tokens(3, 3))
    history.message("s", model="gpt-4o", usage=tokens(3, 3))
    history.message("s", response_id="r1", model="gpt-4o")
    history.message("s", role="user")
    with history.connect(tmp_path) as connection:
        rows = connection.sql(
            "select session, response_id, input_tokens, output_tokens, messages"
            " from usage order by first_position"
        ).rows()
    assert rows == [
        ("s", "r1", 100, 10, 3), ("s", "r2", 1, 1, 1), ("t", "r1", 1, 1, 1),
        ("s", None, 3, 3, 1), ("s", None, 3, 3, 1),
    ]  # fmt: skip


def test_a_cost_is_given_or_estimated_or_unknown_and_says_which(tmp_path: Path) -> None:
    """An estimate must never pass for a bill."""
    history = History()
    million = Usage(1_000_000, 1_000_000, 1_000_000, 1_000_000)
    for model, cost in (
        ("claude-sonnet-4-5-20250929", None), ("gpt-4o-mini-2024-07-18", None), ("gpt-4o", None),
        ("gpt-4o", Decimal("7")), ("nobody-knows-it", None), (None, None),
    ):  # fmt: skip
        history.message("s", model=model, cost=cost, usage=million)
    history.message("s", cost=Decimal("2"))
    with history.connect(tmp_path) as connection:
        rows = connection.sql("select cost, cost_source from usage order by first_position").rows()
    assert rows == [
        (Decimal("22.05"), "estimated"), (Decimal("0.975"), "estimated"), (Decimal("16.25"), "estimated"),
        (Decimal("7"), "given"), (None, None), (None, None), (Decimal("2"), "given"),
    ]  # fmt: skip


def test_every_price_is_complete_and_says_where_it_is_from() -> None:
    """A price without source and date cannot be checked by anybody."""
    with BUNDLED.open(newline="") as file:
        lines = list(csv.DictReader(file))
    prices = read_prices(BUNDLED)
    for line, price in zip(lines, prices, strict=True):
        assert all(amount > 0 for amount in price[1:]), price
        assert price.cache_read_usd <= price.input_usd < price.output_usd
        assert line["source"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", line["as_of"])
    assert len({price.model_pattern for price in prices}) == len(prices)


def test_every_sql_file_is_one_statement_with_a_header() -> None:
    """SQL lives in files, and each says what it is for."""
    files = sorted(duck.HERE.glob("*/*.sql"))
    assert len(files) > 10
    for path in files:
        text = path.read_text()
        assert text.startswith("-- "), path
        header = "".join(line for line in text.splitlines(keepends=True) if line.startswith("--"))
        body = text.replace(header, "")
        assert ";" not in body, path
        for parameter in set(re.findall(r"\{\w+\}|\$\w+", body)):
            assert parameter in header, f"{path}: {parameter} is not documented"


def test_the_reference_names_every_column_of_files_and_views(tmp_path: Path) -> None:
    """docs/reference/archive.md has them all; what it does not say, nobody can rely on."""
    text = (duck.HERE.parents[1] / "docs" / "reference" / "archive.md").read_text()
    text += (duck.HERE.parents[1] / "docs" / "formats" / "archive.md").read_text()
    sections = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", text, re.M | re.S))
    with History().connect(tmp_path) as connection:
        described = {
            view: [(row[0], row[1]) for row in connection.sql(f"describe {view}").rows()]
            for view in duck.VIEWS
        }
    for table in ("session_changes", *SUMS):
        described[table] = list(TABLES[table].columns.items())
    for name, columns in described.items():
        documented = re.findall(r"^\| `(\w+)` \| ([A-Z0-9(), \[\]]+) \|", sections[name], re.M)
        assert documented == [(n, t.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")) for n, t in columns]
    for name in HIDDEN:
        assert f"| `{name}` | {TABLES['messages'].columns[name]} |" in text
