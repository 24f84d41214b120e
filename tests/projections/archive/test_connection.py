"""Prepared queries and results, as an agent or a person asks for them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from eventlog.errors import BadInput, Closed, Damaged
from eventlog.events import GenerationStarted
from projections.archive import Connection
from projections.archive.filters import Filters
from tests.projections.archive.history import History, tokens


def two_generations() -> History:
    history = History()
    for number in range(4):
        history.message("a", f"zero {number}", tenant="acme")
    history.say("a", GenerationStarted(1, 4), tenant="acme")
    for number in range(3):
        history.message("a", f"one {number}", tenant="acme")
    history.message("a:b", "a neighbour", tenant="acme")
    history.message("a", "of nobody")
    return history


@pytest.fixture(params=["tail", "half", "archived"])
def connection(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    history = two_generations()
    archive = history.archive(tmp_path)
    archive.build({"tail": 0, "half": 5, "archived": history.head}[request.param])
    with archive.connect(history.head) as connection:
        yield connection


def test_stat_tells_what_there_is_per_generation(connection: Connection) -> None:
    """An agent sizes up its own past before it reads it."""
    result = connection.stat("a", "acme")
    rows = result.dicts()
    assert [
        (row["generation"], row["messages"], row["first_seq"], row["last_seq"], row["first_position"])
        for row in rows
    ] == [(0, 4, 0, 3, 1), (1, 3, 0, 2, 6)]
    assert [row["text_bytes"] for row in rows] == [4 * 6, 3 * 5]
    assert connection.stat("unheard of", "acme").rows() == []


def test_head_tail_and_seq_give_messages_in_order(connection: Connection) -> None:
    """Over all generations, and by place within one."""

    def texts(result) -> list[str]:  # type: ignore[no-untyped-def]
        return [row["text"] for row in result.dicts()]

    assert texts(connection.head("a", 2, "acme")) == ["zero 0", "zero 1"]
    assert texts(connection.tail("a", 2, "acme")) == ["one 1", "one 2"]
    assert texts(connection.seq("a", 0, 1, 2, "acme")) == ["zero 1", "zero 2"]
    assert texts(connection.seq("a", 1, 0, 99, "acme")) == ["one 0", "one 1", "one 2"]
    assert texts(connection.head("a", 0, "acme")) == []


def test_sessions_and_tenants_with_similar_names_are_apart(connection: Connection) -> None:
    """`a` and `a:b`, `acme` and nobody: columns, never prefixes."""
    assert [row["text"] for row in connection.head("a:b", 9, "acme").dicts()] == ["a neighbour"]
    assert [row["text"] for row in connection.head("a", 9, "").dicts()] == ["of nobody"]
    assert connection.head("b", 9, "acme").rows() == []
    assert connection.sql("select tenant, session, messages from sessions order by all").rows() == [
        ("", "a", 1),
        ("acme", "a", 7),
        ("acme", "a:b", 1),
    ]


def test_grep_finds_by_pattern_in_one_session_or_all_of_the_tenant(connection: Connection) -> None:
    """Oldest first, with the place to read on from."""
    found = connection.grep("^(zero 3|one 0)$", "acme", Filters(sessions=("a",))).dicts()
    assert [(row["generation"], row["seq"], row["found_in"], row["excerpt"]) for row in found] == [
        (0, 3, "text", "zero 3"),
        (1, 0, "text", "one 0"),
    ]
    assert [row["session"] for row in connection.grep("n", "acme").dicts()] == ["a", "a", "a", "a:b"]
    assert len(connection.grep("n", "acme", limit=2).rows()) == 2
    with pytest.raises(BadInput):
        connection.grep("(", "acme").rows()


def test_grep_looks_at_what_tools_were_told_and_answered(tmp_path: Path) -> None:
    """The command that broke it is what one looks for."""
    history = History()
    history.message("s", [{"type": "tool_use", "name": "Bash", "input": {"command": "rm -r needle"}}])
    history.message("s", [{"type": "tool_result", "content": "x" * 500 + "\x00 needle " + "y" * 500}])
    history.message("s", [{"type": "thinking", "thinking": "a needle?"}])
    with history.connect(tmp_path) as connection:
        found = connection.grep("needle", "").dicts()
    assert [row["found_in"] for row in found] == ["tool_input", "tool_result", "thinking"]
    assert found[1]["before"] == "x" * 238 + "\x00 "
    assert found[1]["excerpt"] == "needle " + "y" * 233


def test_decimals_dates_and_times_come_as_python_objects(tmp_path: Path) -> None:
    """Money is no float, and a time without a zone is another moment elsewhere."""
    history = History()
    history.message("s", cost=Decimal("0.1"), usage=tokens(1))
    with history.connect(tmp_path) as connection:
        result = connection.sql("select cost, day, time, sum(input_tokens) over () from messages")
        assert result.columns[:3] == ("cost", "day", "time")
        [(cost, day, time, total)] = result
    assert cost == Decimal("0.1")
    assert type(cost) is Decimal
    assert day == date(2026, 11, 22)
    assert time == datetime(2026, 11, 22, 7, 44, 37, 123456, tzinfo=UTC)
    assert time.utcoffset().total_seconds() == 0
    assert total == 1


@pytest.mark.parametrize(
    "query",
    ["select nope from messages", "selec 1", "select 1 +", "select $1", "select error('x')", "\ud800"],
)
def test_a_wrong_query_is_bad_input_with_duckdbs_own_words(tmp_path: Path, query: str) -> None:
    """A typing error is no reason for a traceback."""
    with two_generations().connect(tmp_path) as connection:
        with pytest.raises(BadInput):
            connection.sql(query).rows()
        assert connection.sql("select 1").rows() == [(1,)]


def test_a_query_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    """Nobody is there to press Ctrl-C for an agent."""
    history = two_generations()
    archive = history.archive(tmp_path)
    with archive.connect(history.head, timeout_s=0.3) as connection:
        with pytest.raises(BadInput, match="took longer"):
            connection.sql(
                "select count(*) from range(100000000) a, range(100000) b where a.range % 7 = b.range % 5"
            ).rows()
        assert connection.sql("select 1").rows() == [(1,)]


def test_the_time_limit_is_for_all_rows_of_a_query_together(tmp_path: Path) -> None:
    """A query without end gives rows as long as somebody fetches them."""
    history = two_generations()
    archive = history.archive(tmp_path)
    endless = "with recursive t as (select 1 as x union all select x + 1 from t) select * from t"
    with archive.connect(history.head, timeout_s=0.5) as connection, pytest.raises(BadInput, match="longer"):
        for _ in connection.sql(endless):
            pass


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_a_time_limit_that_no_timer_can_keep_is_bad_input(tmp_path: Path, timeout_s: float) -> None:
    archive = History().archive(tmp_path)
    with pytest.raises(BadInput, match="time limit"):
        archive.connect(0, timeout_s=timeout_s)


def test_results_can_be_open_side_by_side(tmp_path: Path) -> None:
    """Reading one while asking the next is what a loop over sessions does."""
    with two_generations().connect(tmp_path) as connection:
        first = iter(connection.sql("select position from messages order by position"))
        assert next(first) == (1,)
        assert connection.sql("select count(*) from messages").rows() == [(9,)]
        assert next(first) == (2,)


def test_a_connection_sees_what_was_there_when_it_was_opened(tmp_path: Path) -> None:
    """One answer must fit the next."""
    history = two_generations()
    archive = history.archive(tmp_path)
    with archive.connect(history.head) as connection:
        before = connection.position
        history.message("a", "later")
        archive.build(history.head)
        assert connection.sql("select max(position) from events").rows() == [(before,)]
    with archive.connect(before) as connection:
        assert connection.position == history.head, "the archive went further than the caller knew"
        assert connection.sql("select max(position) from events").rows() == [(history.head,)]


def test_a_closed_connection_says_so(tmp_path: Path) -> None:
    """And closing twice is no mistake."""
    connection = two_generations().connect(tmp_path)
    connection.close()
    connection.close()
    with pytest.raises(Closed):
        connection.sql("select 1")


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "nul \x00 inside",
        "\x00",
        "line\u2028separator\u2029s\u0085 and\r\n breaks",
        '"quotes" \\ and \x1f \x7f',
        "\U0001f600 é \ufffd \ufeff",
        "",
    ],
)
def test_text_comes_back_to_the_character(tmp_path: Path, archived: bool, text: str) -> None:
    """Tool output holds anything; DuckDB's VARCHAR takes NUL as well."""
    history = History()
    history.message("s", text)
    archive = history.archive(tmp_path)
    if archived:
        archive.build(1)
    with archive.connect(1) as connection:
        assert connection.sql("select text from messages where session = 's'").rows() == [(text,)]


@pytest.mark.parametrize("archived", [False, True])
def test_large_messages_and_numbers_go_through(tmp_path: Path, archived: bool) -> None:
    """A line far over DuckDB's own limits for one object, and a number no double holds."""
    history = History()
    history.message("s", ["\x01" * 2_600_000, 123456789012345678901234567890])
    archive = history.archive(tmp_path)
    if archived:
        archive.build(1)
    with archive.connect(1) as connection:
        [(length, digits)] = connection.sql(
            "select strlen(text), contains(text, '123456789012345678901234567890') from messages"
        ).rows()
    assert length == 2_600_000 + 1 + 30
    assert digits is True


def test_bytes_that_rot_are_damage_and_not_the_fault_of_who_asks(tmp_path: Path) -> None:
    """DuckDB calls the input invalid, as it does for faults of a query, or gives an error of no class."""
    history = two_generations()
    archive = history.archive(tmp_path)
    archive.build(history.head)
    [name] = [file.name for file in archive.manifest().files if file.table == "messages"]
    whole = (tmp_path / name).read_bytes()
    damage = 0
    for at in range(4, len(whole) - 8, max(1, len(whole) // 15)):
        (tmp_path / name).write_bytes(
            whole[:at] + bytes(255 - byte for byte in whole[at : at + 4]) + whole[at + 4 :]
        )
        try:
            with archive.connect(history.head) as connection:
                connection.sql("select * from messages").rows()
        except Damaged:
            damage += 1
    assert damage > 0
    (tmp_path / name).write_bytes(whole)
    with (
        archive.connect(history.head) as connection,
        pytest.raises(BadInput, match="DuckDB refuses the query"),
    ):
        connection.sql("select error('of mine')").rows()
