"""Damage, and what a shell does about it: repair, restore postgres, restore segments."""

from __future__ import annotations

import asyncio
import shutil

import asyncpg
import pytest

from tests.agentlog.cli.conftest import SESSION, start


@pytest.fixture
def owner(postgres_server, schema_name):
    """Run statements as the owner, `{schema}` replaced."""

    def run(*statements):
        async def all_of_them():
            connection = await asyncpg.connect(**postgres_server.connection)
            try:
                for statement in statements:
                    await connection.execute(statement.replace("{schema}", schema_name))
            finally:
                await connection.close()

        asyncio.run(all_of_them())

    return run


@pytest.fixture
def filled(cli, transcript):
    """A log with a session and a queue item in it; returns the command line."""
    assert cli("import", "claude-code", str(transcript)).status == 0
    assert cli("queue", "enqueue", "main", "work").status == 0
    assert cli("verify").status == 0
    return cli


def segments(data):
    return {path: path.read_bytes() for path in sorted((data / "segments").glob("*.ndjson.zst"))}


def test_a_damaged_byte_in_a_segment_is_found_and_repaired(filled, environment):
    """From the other copy; a dry run says so and changes nothing."""
    ((path, whole),) = segments(environment).items()
    middle = len(whole) // 2
    damaged = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    path.write_bytes(damaged)

    assert filled("verify").status == 1
    dry = filled("repair", "--dry-run", "--json")
    assert (dry.status, dry.document["repaired"], path.read_bytes()) == (1, False, damaged)
    assert [finding["area"] for finding in dry.document["found"]][:1] == ["segments"]
    repaired = filled("repair", "--json")

    assert (repaired.status, repaired.document["left"]) == (0, [])
    assert repaired.document["found"] == dry.document["found"]
    assert repaired.document["kept"]
    assert filled("verify").status == 0
    assert filled("sessions", "load", SESSION, "--json").rows[1]["content"][0]["text"] == "It is fixed."


def test_a_deleted_row_in_postgres_is_found_and_repaired(filled, owner):
    """Also where the log's own guards were switched off."""
    owner(
        "ALTER TABLE {schema}.events DISABLE TRIGGER USER",
        "DELETE FROM {schema}.events WHERE position = 2",
        "ALTER TABLE {schema}.events ENABLE TRIGGER USER",
        "UPDATE {schema}.sessions SET title = 'other'",
    )

    assert filled("verify").status == 1
    repaired = filled("repair")

    assert repaired.status == 0
    assert "rows_written\t1" in repaired.out
    assert "tables\tsessions" in repaired.out
    assert filled("verify").status == 0


def test_nothing_is_repaired_where_nothing_is_wrong(filled):
    """Again is harmless."""
    answer = filled("repair", "--json")

    assert (answer.status, answer.document["found"], answer.document["repaired"]) == (0, [], True)


def test_a_lost_database_is_restored_from_the_segments(filled, owner, environment):
    """Repair says which command it takes; a second restore is refused."""
    before = filled("tail", "--after", "0", "--json").rows
    owner("DROP SCHEMA {schema} CASCADE")

    refused = filled("repair")
    assert (refused.status, "`agentlog restore postgres`" in refused.err) == (2, True)
    restored = filled("restore", "postgres", "--json")
    again = filled("restore", "postgres")

    assert (restored.status, restored.document["events"]) == (0, len(before))
    assert (again.status, "holds events" in again.err) == (2, True)
    assert filled("tail", "--after", "0", "--json").rows == before
    assert filled("verify").status == 0


def test_lost_segments_are_restored_from_postgres(filled, environment):
    """Verify misses them; a second restore is refused."""
    before = filled("tail", "--after", "0", "--json").rows
    shutil.rmtree(environment / "segments")

    assert filled("verify").status == 1
    restored = filled("restore", "segments", "--json")
    again = filled("restore", "segments")

    assert (restored.status, restored.document["events"]) == (0, len(before))
    assert (again.status, "holds segments" in again.err) == (2, True)
    assert filled("verify").status == 0
    assert filled("tail", "--after", "0", "--json").rows == before


def test_a_damaged_file_of_the_archive_is_found_and_made_again(filled, environment):
    """It is derived: the log has all of it."""
    assert filled("archive", "build").status == 0
    path = min((environment / "archive").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])

    assert filled("verify").status == 1
    rebuilt = filled("archive", "rebuild", "--json")

    assert (rebuilt.status, rebuilt.document) == (0, {"ranges_made_again": 1})
    assert filled("verify").status == 0


def test_a_log_that_somebody_has_open_is_not_repaired(filled):
    """It would pull the segments away from under them."""
    process = start("tail", "-f", "--after", "0")
    try:
        assert process.stdout.readline()
        answers = [filled("repair"), filled("restore", "postgres")]
    finally:
        process.kill()
        process.communicate()

    for answer in answers:
        assert answer.status == 1
        assert "the log is in use: this machine" in answer.err


@pytest.mark.parametrize("words", [("repair",), ("restore", "postgres")], ids=" ".join)
def test_a_directory_without_a_log_is_misuse(cli, tmp_path, words):
    """Nothing is made in it."""
    (tmp_path / "empty").mkdir()

    answer = cli(*words, "--data", str(tmp_path / "empty"))

    assert (answer.status, list((tmp_path / "empty").iterdir())) == (2, [])
