"""User SQL reads the archive's views and does nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog.errors import BadInput
from projections.archive import Archive, Connection, guard
from projections.archive.duck import quoted
from projections.archive.guard import ALLOWED_VIEWS
from tests.projections.archive.history import History


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    history = History()
    for number in range(12):
        tenant = ("acme", "other")[number % 2]
        history.message("s", f"{tenant} says {number}", tenant=tenant, role=f"{tenant}-role")
    archive = history.archive(tmp_path)
    archive.build(8)
    return archive


@pytest.fixture
def connection(archive: Archive) -> Iterator[Connection]:
    with archive.connect(12, tenant="acme") as connection:
        yield connection


HOSTILE = [
    # Reading files and settings.
    "select * from read_csv('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('{parquet}')",
    "select * from read_parquet('{parquet}')",
    "select * from parquet_scan('{parquet}')",
    "select * from parquet_metadata('{parquet}')",
    "select * from read_json('{manifest}')",
    "select * from '{parquet}'",
    'select * from "{parquet}"',
    "select * from glob('/etc/*')",
    "from query('select 1')",
    "from query_table('messages')",
    "select * from duckdb_settings()",
    "select * from duckdb_secrets()",
    "from sniff_csv('/etc/passwd')",
    # Writing.
    "copy (select 1) to '{outside}'",
    "copy messages to '{parquet}'",
    "with c as (copy (select 1) to '{outside}') select 1",
    "with c as (copy (select 1) to '{parquet}') select 1",
    "with c as (insert into tail.messages select * from messages returning *) select * from c",
    "with c as (delete from tail.messages returning *) select * from c",
    "with c as (update tail.messages set role = 'x' returning *) select * from c",
    "select * from (with c as (insert into base.prices values ('x', 1, 1, 1, 1) returning *) from c)",
    "export database '{outside}'",
    "create table x as select 1",
    "create or replace view messages as select 1",
    "create macro m() as 1",
    "insert into tail.messages select * from messages",
    "delete from tail.messages",
    "drop view messages",
    "drop table base.prices",
    # Reaching out, or changing the session.
    "attach '{outside}' as x",
    "detach memory",
    "use tail",
    "install httpfs",
    "load httpfs",
    "set threads = 8",
    "set lock_configuration = false",
    "reset memory_limit",
    "pragma enable_profiling",
    "pragma memory_limit = '1TB'",
    "call pragma_version()",
    "checkpoint",
    "begin",
    "vacuum",
    "analyze",
    "prepare p as select 1",
    "execute p",
    "explain analyze select 1",
    # Several at once, or none.
    "select 1; select 2",
    "select 1; drop view messages",
    "",
    "-- nothing",
    # The relations below the views.
    "select * from base.messages",
    "select * from whole.messages",
    "select * from archived.messages",
    "select * from tail.messages",
    "select * from memory.tail.messages",
    "select (select count(*) from whole.messages)",
    "select 1 where exists (from whole.messages)",
    "select * from messages join whole.messages m on true",
    "select * from messages where text in (select text from whole.messages)",
    "with m as (select * from whole.messages) select * from m",
    "with recursive m as (select 1 union all select position from whole.messages) select * from m",
    "select 1 union all select count(*) from whole.messages",
    "select * from messages order by (select max(text) from whole.messages)",
    "pivot whole.messages on role in ('user') using count(*)",
    "describe whole.messages",
    "summarize whole.messages",
    "select * from (values (1)) v(x), lateral (select * from whole.messages)",
    'with "{parquet}" as (select 1) select * from (select * from "{parquet}") x',
    "select * from information_schema.tables",
    "select * from sqlite_master",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_a_query_that_does_anything_but_read_the_views_is_refused(
    archive: Archive, connection: Connection, query: str, tmp_path: Path
) -> None:
    """Agents write this SQL; what they read may have told them to."""
    parquet = next(tmp_path.glob("messages-*.parquet"))
    outside = tmp_path / "outside"
    content = parquet.read_bytes()
    text = query.format(parquet=parquet, outside=outside, manifest=tmp_path / "manifest.json")
    with pytest.raises(BadInput):
        connection.sql(text).rows()
    assert not outside.exists()
    assert parquet.read_bytes() == content
    assert connection.sql("select count(*) from messages").rows() == [(6,)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select count(*) from messages", [(6,)]),
        ("from messages select count(*) where tenant <> 'acme'", [(0,)]),
        ("select count(*) from main.events", [(6,)]),
        ('with x as (select * from "Messages") select count(*) from x', [(6,)]),
        ("with recursive r(n) as (select 1 union all select n + 1 from r where n < 2) from r", [(1,), (2,)]),
        ("select count(*) from messages a join messages b using (position)", [(6,)]),
        ("select count(*) from events, lateral (select 1), range(2)", [(12,)]),
        ("select sum(x) from (values (1), (2)) v(x)", [(3,)]),
        ("select count(*) from messages where text in (select text from messages)", [(6,)]),
        ("select role, count(*) from messages group by all having count(*) > 1", [("acme-role", 6)]),
        ("""select '{"role":"x"}'->>'$.role' from events limit 1""", [("x",)]),
        ("""select value from json_each('{"role":"x"}') j where j.key = 'role'""", [('"x"',)]),
        ("select unnest([1, 2]) order by 1 desc", [(2,), (1,)]),
        ("select cast(1.5 as decimal(3, 1)), [x + 1 for x in [1]]", [(Decimal("1.5"), [2])]),
        ("select row_number() over () as n from messages qualify n = 1", [(1,)]),
        ("(select 1) union all (select 2) order by 1", [(1,), (2,)]),
        ("values (1)", [(1,)]),
        ("show tables", [(view,) for view in sorted(ALLOWED_VIEWS)]),
        ("select 1;", [(1,)]),
    ],
)  # fmt: skip
def test_an_ordinary_query_is_answered(connection: Connection, query: str, expected: list[object]) -> None:
    """A guard that refuses what analysts write would be switched off."""
    assert connection.sql(query).rows() == expected


def test_what_passed_is_remembered_within_bounds_and_what_was_refused_is_not(connection: Connection) -> None:
    for _ in range(2):
        with pytest.raises(BadInput, match="is not allowed in a query"):
            connection.sql("select * from read_text('x')")
    for n in range(guard._PASSED_MAX + 10):
        assert connection.sql(f"select {n}").rows() == [(n,)]
    assert connection.sql(f"select 1 /* {' ' * guard._PASSED_CHARACTERS_MAX} */").rows() == [(1,)]
    assert len(guard._passed) == guard._PASSED_MAX
    assert "select 0" not in guard._passed
    assert all(len(query) <= guard._PASSED_CHARACTERS_MAX for query in guard._passed)
    assert not any("read_text" in query for query in guard._passed)


@pytest.mark.parametrize("query", ["describe messages", "summarize usage", "describe select * from sessions"])
def test_the_views_can_be_described(connection: Connection, query: str) -> None:
    """Whoever writes a query first asks what columns there are."""
    assert connection.sql(query).rows()


@pytest.mark.parametrize(
    "query",
    [
        "select count(*) from messages where case when tenant = 'other' then error(text) end is null",
        "select count(*) from messages where case when text like 'other%' then error(text) end is null",
        "select count(*) from messages where try_cast(text as int) is null and text not like 'other%'",
        "select count(*) from events where case when data like '%other%' then error(data) end is null",
    ],
)
def test_no_expression_of_one_tenant_is_evaluated_on_rows_of_another(
    connection: Connection, query: str
) -> None:
    """An error message or a slow answer would tell what the other tenant's rows hold."""
    assert connection.sql(query).rows() == [(6,)]


def test_the_filter_by_tenant_is_below_a_barrier_in_the_plan(connection: Connection) -> None:
    """That DuckDB happens to filter by tenant first today is no promise; a limit in between is."""
    plan = (
        connection._open().execute("explain select count(*) from messages where text = 'needle'").fetchall()
    )
    drawn = plan[0][1].upper()
    assert 0 < drawn.index("NEEDLE") < drawn.index("LIMIT") < drawn.index("ACME")


def test_every_view_shows_one_tenant_only(archive: Archive) -> None:
    """Restricted in the views, not in the query: there is nothing to forget."""
    for tenant in ("acme", "other"):
        with archive.connect(12, tenant=tenant) as connection:
            for view in ("events", "messages", "sessions"):
                assert connection.sql(f"select distinct tenant from {view}").rows() == [(tenant,)]
    with archive.connect(12, tenant="it's nobody") as connection:
        assert connection.sql("select count(*) from events").rows() == [(0,)]


def test_a_prepared_query_of_another_tenant_is_refused(connection: Connection) -> None:
    """They read below the views, so they check for themselves."""
    assert len(connection.head("s", 10, "acme").rows()) == 6
    for attempt in (
        lambda: connection.head("s", 10, "other"),
        lambda: connection.stat("s", "other"),
        lambda: connection.grep("says", "other"),
        lambda: connection.search("says", "other"),
        lambda: connection.timeline("s", 9, "other"),
        lambda: connection.seq("s", 0, 0, 9, "other"),
        lambda: connection.tail("s", 10, "other"),
    ):
        with pytest.raises(BadInput, match="tenant"):
            attempt()


def test_duckdb_itself_is_locked_besides(connection: Connection, tmp_path: Path) -> None:
    """Should the guard miss something, DuckDB still reads no other file and loads nothing."""
    inner = connection._open()
    stray = tmp_path / "stray.csv"
    stray.write_text("a\n1\n")
    for query in (
        f"select * from read_csv({quoted(str(stray))})",
        f"copy (select 1) to {quoted(str(tmp_path / 'outside'))}",
        f"attach {quoted(str(tmp_path / 'outside.db'))} as x",
        "load httpfs",
        "set enable_external_access = true",
        "set memory_limit = '100GB'",
    ):
        with pytest.raises(Exception, match=r"(?i)permission|disabled|locked"):
            inner.execute(query)


SOURCES = st.sampled_from(
    [
        *("messages", "main.events", "usage", "(select 1 as position)", "range(3)", "sessions"),
        *("tail.messages", "whole.messages", "archived.messages", "base.messages", "memory.tail.messages"),
        *("'{parquet}'", '"{parquet}"', "read_parquet('{parquet}')", "read_text('{manifest}')"),
        *("glob('/*')", "duckdb_settings()", "query('from whole.messages')", "query_table('whole.messages')"),
        *("parquet_metadata('{parquet}')", "information_schema.tables", "duckdb_views()", "pragma_version()"),
    ]
)
QUERIES = st.recursive(
    st.one_of(
        SOURCES.map("select * from {}".format),
        SOURCES.map("from {} select count(*)".format),
        SOURCES.map("describe {}".format),
        st.sampled_from(
            [
                *("copy (select 1) to '{outside}'", "copy messages to '{parquet}'", "drop view messages"),
                *("insert into tail.messages select * from messages returning *", "select getenv('HOME')"),
                *("delete from tail.messages returning *", "set threads = 9", "attach '{outside}' as o"),
                *(
                    "create table x as select 1",
                    "export database '{outside}'",
                    "select error(text) from messages",
                ),
                *("select current_setting('allowed_paths')", "load httpfs", "call pragma_version()"),
            ]
        ),
    ),
    lambda inner: st.one_of(
        inner.map("select * from ({}) inside".format),
        inner.map("with c as ({}) select * from c".format),
        inner.map("with c as materialized ({}) from c, c as d".format),
        inner.map("select 1 where exists ({})".format),
        inner.map("select (select count(*) from ({}) x), * from messages".format),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) union all by name ({two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"{two[0]}; {two[1]}"),
        st.tuples(SOURCES, inner).map(lambda two: f"select * from {two[0]}, lateral ({two[1]}) y"),
        inner.map("pivot ({}) on 1 using count(*)".format),
        inner.map("explain analyze {}".format),
    ),
    max_leaves=3,
)


def test_no_query_that_can_be_put_together_reads_writes_or_changes_anything_else(
    archive: Archive, tmp_path: Path
) -> None:
    """Pieces of hostile queries in every position: refused, or an answer of one's own tenant."""
    [parquet] = tmp_path.glob("messages-*.parquet")
    outside, manifest = tmp_path / "outside", tmp_path / "manifest.json"
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    @settings(max_examples=60, deadline=None)
    @given(QUERIES)
    def ask(query: str) -> None:
        for name, path in (("{parquet}", parquet), ("{outside}", outside), ("{manifest}", manifest)):
            query = query.replace(name, str(path))
        try:
            shown = repr(list(islice(connection.sql(query), 1000)))
        except BadInput as error:
            shown = str(error.__cause__ or "")
        assert "other says" not in shown
        assert "tail.messages" not in shown or "tail.messages" in query

    with archive.connect(12, tenant="acme", timeout_s=1) as connection:
        ask()
        assert connection.sql("select count(*) from messages").rows() == [(6,)]
        assert connection.sql("show tables").rows() == [(view,) for view in sorted(ALLOWED_VIEWS)]
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    "query",
    [
        "with recursive r(n) as (select 1 union all select n + 1 from r) select max(n) from r",
        "select string_agg(repeat('x', 100000), '') from range(100000)",
        "select list(a.range) from range(100000) a, range(100000) b",
    ],
)
def test_a_query_without_end_or_measure_is_stopped(archive: Archive, query: str) -> None:
    """By its time limit or by DuckDB's memory limit; the process and the next question go on."""
    with archive.connect(12, timeout_s=0.5) as connection:
        with pytest.raises(BadInput, match=r"took longer|memory|limit"):
            connection.sql(query).rows()
        assert connection.sql("select 1").rows() == [(1,)]
