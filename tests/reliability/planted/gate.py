"""Planted bugs in forming batches and in the append functions: order, stamps, keys, rows."""

from __future__ import annotations

from tests.reliability.planted.bug import SIMULATE, Bug, Edit, bug

APPEND = "eventlog/postgres/functions/append.sql"
APPEND_ONE = "eventlog/postgres/functions/append_one.sql"
BATCH = "eventlog/batch.py"

APPEND_TESTS = "tests/eventlog/postgres/test_append.py"
WRITER_TESTS = "tests/eventlog/test_writer.py"
LOG_TESTS = "tests/eventlog/test_log.py"
BATCH_TESTS = "tests/eventlog/test_batch.py"
GATE = "    gated := pg_advisory_xact_lock({gate}) IS NULL;\n"
DURABLE = "        PERFORM set_config('synchronous_commit', 'on', true);\n"
NO_GATE = "    gated := true;\n"

BUGS: tuple[Bug, ...] = (
    Bug(
        "the gate is not taken",
        "READ COMMITTED and a primary key will do",
        (Edit(APPEND, GATE, NO_GATE), Edit(APPEND_ONE, GATE, NO_GATE)),
        (LOG_TESTS,),
    ),
    bug(
        "the gate is let go before the commit",
        "the work is done when the function returns",
        APPEND, GATE, "    gated := pg_advisory_lock({gate}) IS NULL AND pg_advisory_unlock({gate});\n",
        LOG_TESTS,
    ),
    Bug(
        "an append need not be on the disk of Postgres",
        "that is for the administrator to decide",
        (Edit(APPEND, DURABLE, "        NULL;\n"), Edit(APPEND_ONE, DURABLE, "        NULL;\n")),
        (APPEND_TESTS,),
    ),
    bug(
        "stamps of a batch are not checked",
        "the writer knows its streams",
        APPEND, "    IF actual <> s_version THEN\n", "    IF false THEN\n",
        WRITER_TESTS,
    ),
    bug(
        "the stamp of a lone event is not checked",
        "the writer knows its streams",
        APPEND_ONE, "WHERE s.id = p_stream_id AND s.version = p_version;", "WHERE s.id = p_stream_id;",
        WRITER_TESTS,
    ),
    bug(
        "positions count what was refused",
        "a sequence does it like that as well",
        APPEND, "            positions[i] := NULL;\n",
        "            positions[i] := NULL;\n            last := last + 1;\n",
        WRITER_TESTS,
    ),
    bug(
        "the time of a batch may run backwards",
        "the server's clock is right",
        APPEND, "greatest(clock_timestamp(), h.time)", "clock_timestamp()",
        APPEND_TESTS,
    ),
    bug(
        "the time of a lone event may run backwards",
        "the server's clock is right",
        APPEND_ONE, "greatest(clock_timestamp(), h.time)", "clock_timestamp()",
        APPEND_TESTS,
    ),
    bug(
        "refused groups are inserted",
        "the batch is one statement",
        APPEND, "        IF s_group[e_stream[i]] = ANY (refused) THEN\n", "        IF false THEN\n",
        WRITER_TESTS,
    ),
    bug(
        "idempotency keys are not stored",
        "repeats come at once, memory will do",
        APPEND, "    IF cardinality(k_key) > 0 THEN\n        INSERT", "    IF false THEN\n        INSERT",
        LOG_TESTS,
    ),
    bug(
        "idempotency keys are not looked up",
        "repeats come at once, memory will do",
        APPEND, "    IF cardinality(k_key) > 0 THEN\n        SELECT", "    IF false THEN\n        SELECT",
        LOG_TESTS,
    ),
    bug(
        "tenants share their idempotency keys",
        "keys are unique",
        APPEND, "k ON k.tenant = i.tenant AND k.key = i.key\n", "k ON k.key = i.key\n",
        LOG_TESTS,
    ),
    bug(
        "a key that is over still counts",
        "keys are cleared away now and then",
        APPEND, "         WHERE k.expires_at > accepted_at\n", "         WHERE true\n",
        LOG_TESTS,
    ),
    bug(
        "keys are cleared away too early",
        "repeats come at once",
        APPEND, "WHERE o.expires_at < accepted_at\n", "WHERE true\n",
        LOG_TESTS,
    ),
    bug(
        "the rows of a lone event are not written",
        "the batch writes them",
        APPEND_ONE, "{upserts}\n", "",
        WRITER_TESTS,
    ),
    bug(
        "the rows of a batch are not written",
        "the lone append writes them",
        APPEND, "{upserts}\n", "",
        WRITER_TESTS,
    ),
    bug(
        "the chain of a batch is not kept in its last row",
        "the head has it",
        APPEND, "           CASE WHEN positions[e.n] = last THEN chain END\n", "           NULL::bytea\n",
        APPEND_TESTS,
    ),
    bug(
        "an expected version may be surpassed",
        "the stream has at least what was expected",
        BATCH, "        if version == expected:\n", "        if version >= expected:\n",
        SIMULATE, BATCH_TESTS,
    ),
    bug(
        "expected versions are not looked at",
        "the stamp is checked anyway",
        BATCH, "        if version == expected:\n", "        if True:\n",
        SIMULATE, BATCH_TESTS,
    ),
    bug(
        "a conflict is told from memory",
        "we know our streams",
        BATCH, "        if confirmed <= pending.tick:\n", "        if False:\n",
        SIMULATE, BATCH_TESTS,
    ),
    bug(
        "who follows one that waits overtakes it",
        "it can be appended, so it is",
        BATCH, "            blocked.update(pending.streams)\n", "            pass\n",
        BATCH_TESTS,
    ),
    bug(
        "a command on several streams is not one group",
        "each stream is refused by itself",
        BATCH, "    if len(pending.streams) > 1:\n        _join", "    if False:\n        _join",
        SIMULATE, BATCH_TESTS,
    ),
    bug(
        "a repeat that waits for the segment is told with one that does not",
        "they have the same key",
        BATCH, "        if not first[0].wait_for_mirror and pending.wait_for_mirror:\n",
        "        if False:\n",
        BATCH_TESTS,
    ),
)  # fmt: skip
