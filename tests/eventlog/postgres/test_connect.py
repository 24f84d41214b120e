"""Connecting: what is refused and in which words; what errors mean; and that no secret is ever shown."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from eventlog.clock import SystemClock
from eventlog.embedded import configuration
from eventlog.embedded.server import EmbeddedPostgres, attach
from eventlog.errors import LogUnavailable, PostgresTooOld, ProjectionMismatch, SchemaMismatch
from eventlog.postgres.connect import cannot_write, connect, is_broken, is_rolled_back, translate
from tests.support.builders import open_log
from tests.support.proxy import Proxy

SECRET = "hunter2-secret"


async def refused(target: Any, timeout_s: float = 20.0) -> LogUnavailable:
    with pytest.raises(LogUnavailable) as found:
        await connect(target, timeout_s=timeout_s, command_timeout_s=5.0)
    return found.value


def shown(error: BaseException) -> str:
    """All that a log line or a report could show of an error, causes included."""
    values = map(str, vars(error).values())
    return "".join([str(error), repr(error), *values, *traceback.format_exception(error)])


async def test_a_session_is_set_up_whatever_the_server_s_defaults_are(postgres_server: EmbeddedPostgres):
    target = {
        **postgres_server.connection,
        "server_settings": {"search_path": "pg_temp", "timezone": "Asia/Tokyo"},
    }
    connection = await connect(target, timeout_s=5.0, command_timeout_s=5.0)
    expected = {
        "application_name": "agentlog",
        "search_path": "pg_temp",
        "timezone": "UTC",
        "transaction_isolation": "read committed",
    }
    names = list(expected)
    rows = await connection.fetch("SELECT n, current_setting(n) FROM unnest($1::text[]) AS n", names)
    assert dict(rows) == expected
    await connection.close()


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path):
    error = await refused({"host": str(tmp_path), "user": "me", "password": SECRET, "database": "db"})
    assert "Postgres cannot be used: FileNotFoundError" in str(error)
    assert "check that the server runs" in error.hint
    assert SECRET not in shown(error)


async def test_a_database_that_is_not_there_is_unavailable(postgres_server: EmbeddedPostgres):
    error = await refused({**postgres_server.connection, "database": "nowhere"})
    assert 'database "nowhere" does not exist' in str(error)


async def test_a_user_that_is_not_let_in_is_unavailable(postgres_server: EmbeddedPostgres):
    error = await refused({**postgres_server.connection, "user": "nobody_known", "password": SECRET})
    assert SECRET not in shown(error)


@asynccontextmanager
async def a_server_that_answers(directory: Path, *messages: bytes | None) -> AsyncIterator[dict[str, Any]]:
    """A server that says only `messages`, whatever it is asked, then closes; None: it never says a word."""
    conversations = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        for text in messages:
            if text is not None:
                writer.write(text)
            await reader.read(4096)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append(asyncio.ensure_future(answer(reader, writer)))

    async with await asyncio.start_unix_server(converse, str(directory / ".s.PGSQL.5432")):
        yield {"host": str(directory), "user": "me", "password": SECRET, "database": "db"}
    await asyncio.gather(*conversations)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


ASK_PASSWORD = message(b"R", b"\0\0\0\3")
WRONG_PASSWORD = message(b"E", b'SFATAL\0C28P01\0Mpassword authentication failed for user "me"\0\0')
STARTING = message(b"E", b"SFATAL\0C57P03\0Mthe database system is starting up\0\0")


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ((ASK_PASSWORD, WRONG_PASSWORD), 'password authentication failed for user "me"'),
        ((STARTING,), "the database system is starting up"),
        ((), "ConnectionDoesNotExistError"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "Postgres cannot be used: TimeoutError"),
    ],
    ids=["wrong password", "starting up", "closes at once", "no Postgres at all"],
)
async def test_whatever_answers_instead_the_password_is_not_shown(
    postgres_server: EmbeddedPostgres, short_path: Path, messages: tuple[bytes, ...], words: str
):
    async with a_server_that_answers(short_path, *messages) as target:
        timeout_s = 0.2 if "TimeoutError" in words else 20.0
        error = await refused(target, timeout_s)
        assert words in str(error)
        assert SECRET not in shown(error)
        url = f"postgresql://me:{SECRET}@/db?host={short_path}"
        assert SECRET not in shown(await refused(url, timeout_s))


async def test_s0_fault_connect_timeout_is_ignored(postgres_server: EmbeddedPostgres, short_path: Path):
    """A server that takes the connection and never says a word is given up after `timeout_s`."""
    async with a_server_that_answers(short_path, None) as target:
        error = await refused(target, timeout_s=0.1)
    assert isinstance(error.__cause__, TimeoutError)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:a/{SECRET}@host/db",
        f"postgresql://me:a:{SECRET}@host:port{SECRET}/db",
        f"postgresql://me:[{SECRET}@host/db",
        f"mysql://me:{SECRET}@host/db",
        f"{SECRET}",
        f"postgresql://me:{SECRET}@host/db?sslmode={SECRET}",
        f"postgresql://me:{SECRET}@host/db?target_session_attrs={SECRET}",
    ],
)
async def test_a_url_that_does_not_parse_shows_nothing_of_itself(url: str):
    """Parsers quote what they stumble over: a password with a slash is read as a port."""
    error = await refused(url)
    assert SECRET not in shown(error)
    assert "postgresql://" in str(error)


@pytest.mark.parametrize("version", ["9.6.24", "13.22"])
async def test_a_server_too_old_is_named(proxy: Proxy, version: str):
    proxy.server_version = version
    with pytest.raises(PostgresTooOld, match=r"is too old: agentlog needs 14 or newer"):
        await connect(proxy.connection, timeout_s=5.0, command_timeout_s=5.0)


@pytest.mark.parametrize("version", ["14.0", "15.14 (Debian 15.14-0+deb12u1)", "18.6", "19beta1"])
async def test_any_server_from_14_on_will_do(proxy: Proxy, version: str):
    proxy.server_version = version
    await (await connect(proxy.connection, timeout_s=5.0, command_timeout_s=5.0)).close()


async def test_invariant_2_a_server_that_does_not_wait_for_its_disk_is_refused(
    short_path: Path, schema_name: str, monkeypatch: pytest.MonkeyPatch
):
    """Committed would not mean durable. Nothing is made there; with fsync on, the same server will do."""
    os.chmod(short_path, 0o755)  # the server may be another user, who has to pass
    monkeypatch.setitem(configuration.FIXED, "fsync", "off")
    server = await attach(short_path / "data", clock=SystemClock())
    try:
        with pytest.raises(LogUnavailable, match="fsync = off, and agentlog needs fsync = on"):
            await open_log(server, schema_name, short_path / "log")
        connection = await connect(server.connection, timeout_s=5.0, command_timeout_s=5.0)
        assert await connection.fetchval("SELECT to_regnamespace($1)", schema_name) is None
        await connection.close()
    finally:
        await server.close()
    monkeypatch.undo()
    server = await attach(short_path / "data", clock=SystemClock())
    try:
        await (await open_log(server, schema_name, short_path / "log")).close()
    finally:
        await server.close()


async def test_a_server_that_does_not_answer_is_given_up_after_the_timeout(short_path: Path):
    async with a_server_that_answers(short_path, None) as target:
        with pytest.raises(LogUnavailable, match="TimeoutError"):
            await connect(target, timeout_s=0.1, command_timeout_s=1.0)


def postgres_error(sqlstate: str, words: str = "") -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new({"C": sqlstate, "M": words})


@pytest.mark.parametrize("sqlstate", ["08000", "08003", "08006", "57P01", "57P02", "57P03", "53300", "25P03"])
def test_these_refusals_leave_the_outcome_unknown(sqlstate: str):
    error = postgres_error(sqlstate)
    assert is_broken(error, closed=False)
    assert not is_rolled_back(error)


@pytest.mark.parametrize(
    "error", [ConnectionResetError(), TimeoutError(), OSError(), asyncio.IncompleteReadError(b"", 1)]
)
def test_these_failures_of_the_connection_leave_the_outcome_unknown(error: Exception):
    assert is_broken(error, closed=False)


GONE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


async def test_a_connection_that_was_closed_under_us_leaves_the_outcome_unknown(
    postgres_server: EmbeddedPostgres, admin: asyncpg.Connection
):
    """asyncpg has one class of error for that and for mistakes of the program."""
    connection = await connect(postgres_server.connection, timeout_s=5.0, command_timeout_s=5.0)
    prepared = await connection.prepare("SELECT 1")
    await admin.execute("SELECT pg_terminate_backend($1, 5000)", connection.get_server_pid())
    for attempt in (prepared.fetch, lambda: connection.fetch("SELECT 1")):
        with pytest.raises(GONE) as gone:
            await attempt()
        assert is_broken(gone.value, closed=connection.is_closed())
    connection.terminate()
    with pytest.raises(asyncpg.InterfaceError) as closed:
        await prepared.fetch()
    assert is_broken(closed.value, closed=connection.is_closed())


async def test_a_mistake_of_the_program_is_no_lost_connection(postgres_server: EmbeddedPostgres):
    """Taken for one it would be sent again and again, and told as an outage."""
    connection = await connect(postgres_server.connection, timeout_s=5.0, command_timeout_s=5.0)
    with pytest.raises(asyncpg.InterfaceError, match="expects 1 argument") as wrong:
        await connection.fetch("SELECT $1::int", 1, 2)
    assert not is_broken(wrong.value, closed=connection.is_closed())
    both = [connection.fetch("SELECT 1"), connection.fetch("SELECT 2")]
    found = await asyncio.gather(*both, return_exceptions=True)
    (busy,) = [error for error in found if isinstance(error, BaseException)]
    assert "another operation is in progress" in str(busy)
    assert not is_broken(busy, closed=connection.is_closed())
    await connection.close()


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "57014"])
def test_these_refusals_are_rolled_back_and_worth_a_retry(sqlstate: str):
    error = postgres_error(sqlstate)
    assert is_rolled_back(error)
    assert not is_broken(error, closed=True)


@pytest.mark.parametrize("sqlstate", ["25006", "42501", "53100", "55P03"])
def test_these_refusals_are_the_server_s_state_and_no_command_s_fault(sqlstate: str):
    error = postgres_error(sqlstate)
    assert cannot_write(error)
    assert not is_broken(error, closed=True)
    assert not is_rolled_back(error)
    assert isinstance(translate(error), LogUnavailable)


@pytest.mark.parametrize("sqlstate", ["40001", "53200", "57014", "58030", "XX000"])
def test_the_server_s_own_trouble_is_unavailable_where_it_goes_on(sqlstate: str):
    """Nothing was appended, and the caller need not know asyncpg."""
    assert isinstance(translate(postgres_error(sqlstate)), LogUnavailable)
    assert not cannot_write(postgres_error(sqlstate))


@pytest.mark.parametrize("sqlstate", ["57P05", "XX000", "53100"])
def test_after_a_fatal_error_the_session_is_over_whatever_its_code(sqlstate: str):
    """An administrator's idle_session_timeout, for one."""
    error = asyncpg.PostgresError.new({"C": sqlstate, "M": "", "S": "FATALE", "V": "FATAL"})
    assert is_broken(error, closed=False)


@pytest.mark.parametrize("sqlstate", ["22P05", "23505", "AL001", "XX000"])
def test_other_refusals_are_neither(sqlstate: str):
    """The words of the message play no part."""
    error = postgres_error(sqlstate, "connection deadlock timeout")
    assert not is_broken(error, closed=True)
    assert not is_rolled_back(error)


def test_refusals_of_our_own_functions_have_errors_of_their_own():
    assert isinstance(translate(postgres_error("AL002", "epoch 2")), ProjectionMismatch)
    for missing in ("3F000", "42P01", "42883", "42703"):
        assert isinstance(translate(postgres_error(missing, "gone")), SchemaMismatch)
    for exhausted in ("53100", "53200", "53400", "58030"):
        assert isinstance(translate(postgres_error(exhausted, "No space left")), LogUnavailable)
    other = postgres_error("23505")
    assert translate(other) is other
    assert translate(error := ValueError()) is error
