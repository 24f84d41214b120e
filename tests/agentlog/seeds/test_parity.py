"""docs/reference/seed-parity.md against what is there: every name of both stores, and every name of ours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import agentlog
from agentlog.cli.application import is_command
from eventlog.events import EVENT_TYPES
from projections.catalog import INLINE

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "seed-parity.md"
WITHOUT_COLUMN = ("in the log", "a setting", "no column", "all tables", "all columns")

COLUMNS = {
    "sessions": "id parent_id tenant_id session_type state mode config permissions summary total_input_tokens"
    " total_output_tokens total_cost_usd current_leaf_id static_context_hash error created_at updated_at"
    " expires_at",
    "messages": "id session_id parent_id role content is_sidechain is_compact_summary model request_id usage"
    " metadata environment created_at",
    "compacts": "id session_id trigger pre_tokens post_tokens saved_tokens summary original_count new_count"
    " logical_parent_id created_at",
    "summaries": "id session_id summary leaf_message_id created_at",
    "queue": "id session_id operation content priority status created_at processed_at",
    "todos": "id session_id plan_id content active_form status created_at started_at completed_at",
    "plans": "id session_id name content status error created_at approved_at started_at completed_at",
}
FUNCTIONS = (
    "PgPoolConfig::default PgPoolConfig::high_throughput PostgresConfig::default "
    "PostgresConfig::prefix PostgresConfig::pool PostgresConfig::retention_days "
    "PostgresConfig::table_names PostgresSchema::sql PostgresSchema::table_ddl "
    "PostgresSchema::index_ddl PostgresSchema::expected_indexes PostgresSchema::migrate "
    "PostgresSchema::verify PostgresPersistence::connect PostgresPersistence::connect_with_config "
    "PostgresPersistence::connect_and_migrate PostgresPersistence::connect_and_migrate_with_config "
    "PostgresPersistence::from_pool PostgresPersistence::pool_and_config "
    "PostgresPersistence::migrate PostgresPersistence::verify_schema PostgresPersistence::pool "
    "PostgresPersistence::config Persistence::name Persistence::save Persistence::load "
    "Persistence::delete Persistence::list Persistence::add_summary Persistence::get_summaries "
    "Persistence::enqueue Persistence::dequeue Persistence::cancel_queued Persistence::pending_queue "
    "Persistence::cleanup_expired upgrade_legacy_if_needed create_with_lock_retry "
    "run_legacy_redb_upgrade_helper"
)
CONFIG = (
    "max_connections min_connections connect_timeout idle_timeout max_lifetime acquire_timeout "
    "max_retries initial_backoff max_backoff"
)
EMBEDDED = (
    "open get_session_meta put_session_meta delete_session list_sessions new_generation "
    "append_message load_messages archive_load archive_stat get_pairing put_pairing list_pairings "
    "delete_pairing kv_get kv_set kv_delete resolve_session_alias put_session_alias "
    "put_session_aliases load_all_aliases enqueue_task dequeue_task requeue_running_tasks "
    "update_task_turn update_task_last_reply mark_task_notified update_task_status fail_task "
    "get_task list_tasks cleanup_expired_tasks has_duplicate merge_into_pending is_idem_delivered "
    "mark_idem_delivered cleanup_idem_keys permission_get permission_put permission_delete "
    "permission_list_all cron_get cron_list cron_put cron_delete cron_bulk_replace "
    "enqueue_external_job update_external_job get_external_job due_external_jobs delete_external_job "
    "cleanup_finished_external_jobs"
)
TABLES = (
    "session_meta messages pairing kv session_aliases task_queue external_jobs idem_keys"
    " computer_permissions cron_jobs"
)
# Fields of what S2 stores as JSON, by table.
FIELDS = {
    "session_meta": "session_key message_count last_active created_at generation",
    "task_queue": "id session_key messages priority status retries max_retries turns max_turns created_at"
    " updated_at ttl_secs content_hash error notified last_reply",
    "external_jobs": "id session_key delivery origin provider external_task_id kind prompt submitted_at"
    " next_poll_at poll_count timeout_at status error result_url result_path delivered_at delivery_attempts",
    "cron_jobs": "id name agentId sessionKey enabled schedule payload message delivery sessionTarget wakeMode"
    " state iter createdAtMs updatedAtMs createdBy",
}


def rows(columns: int) -> list[list[str]]:
    """The fields of all table rows of that many columns, headings left out."""
    found = [
        re.split(r" \| ", line.strip()[2:-2]) for line in PAGE.read_text().splitlines() if line[:2] == "| "
    ]
    return [row for row in found if len(row) == columns and row[0] not in ("there", "seed")]


def there() -> list[str]:
    return [row[0].strip("`") for row in rows(6)]


def test_no_public_function_of_either_store_is_left_out():
    told = {name for row in there() for name in row.split(", ")}
    wanted = [
        *FUNCTIONS.split(),
        *(f"PgPoolConfig.{name}" for name in CONFIG.split()),
        *(f"RedbStore::{n}" for n in EMBEDDED.split()),
    ]
    assert [name for name in wanted if name not in told] == []


def test_no_table_and_no_column_of_either_store_is_left_out():
    told = set(there())
    assert [
        f"{table}.{column}"
        for table, columns in COLUMNS.items()
        for column in columns.split()
        if f"{table}.{column}" not in told
    ] == []
    begun = {name.split(":")[0] for name in told}
    assert [table for table in TABLES.split() if table not in begun] == []
    assert [
        f"{table}: {field}"
        for table, fields in FIELDS.items()
        for field in fields.split()
        if f"{table}: {field}" not in told
    ] == []


def test_nothing_is_left_blank():
    for row in [*rows(6), *rows(3)]:
        assert all(field.strip() for field in row), row


async def test_every_call_that_is_named_can_be_made(store: agentlog.Store):
    for row in rows(6):
        names = re.findall(r"`([^`]+)`", row[1])
        assert names, row
        for name in names:
            words = name.split()
            if len(words) > 1:
                assert is_command(words[1:]), name
                continue
            found: Any = {"store": store, "agentlog": agentlog}[name.split(".")[0]]
            for part in name.split(".")[1:]:
                assert hasattr(found, part), name
                found = getattr(found, part)


def test_every_event_that_is_named_is_in_the_vocabulary():
    for row in rows(6):
        names = re.findall(r"`([^`]+)`", row[2])
        assert names or row[2] in ("a read", "no event"), row
        assert set(names) <= set(EVENT_TYPES), row


def test_every_column_that_is_named_is_in_its_table():
    tables = {projection.name: projection.table_sql for projection in INLINE}
    for row in rows(6):
        names = re.findall(r"`([^`]+)`", row[3])
        assert names or row[3] in WITHOUT_COLUMN, row
        for name in names:
            table, _, column = name.partition(".")
            assert re.search(rf"^    {column} +\w", tables[table], re.MULTILINE), row


def test_every_test_that_is_named_is_there():
    named = [row[4] for row in rows(6)] + [row[2] for row in rows(3)]
    assert len(named) > 150
    for test in named:
        path, _, name = test.strip("`").partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), test
