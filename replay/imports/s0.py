"""A session of the Postgres session store, row by row, as events. Pure: reads and appends nothing.

In the order in which a reader of the store would tell it: the session; compactions, which hid what is no
longer there; the messages there are; summaries, plans and the list of things to do; how the session
stands; and its row, verbatim. docs/reference/migrate-from-s0.md has every column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from eventlog.envelope import NewEvent
from eventlog.errors import BadInput
from eventlog.events import (
    NULL,
    PLAN,
    QUEUE_ITEM,
    SESSION,
    ConversationCompacted,
    ItemCancelled,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    ItemInterrupted,
    MessageAppended,
    PlanSaved,
    RecordKept,
    SessionCreated,
    SessionUpdated,
    SummaryRecorded,
    Todo,
    TodosReplaced,
    Usage,
    UsageRecorded,
    raw,
)
from eventlog.events.keys import join_key
from replay.imports.facts import Facts

FORMAT = "s0"
WORKER = "s0"
# Tables, in the order in which their rows become events.
TABLES = ("sessions", "compacts", "messages", "summaries", "plans", "todos", "queue")

_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
}
_TOKENS_MAX = 2**31 - 1  # of one event
_CORRECTIONS_MAX = 1_000

Row = Mapping[str, Any]
Reject = Callable[[str, Row, str], None]


def session_events(rows: Mapping[str, list[Row]], reject: Reject) -> list[NewEvent]:
    """Return the events of one session, by stream and in order.

    Args:
        rows: by table; one row of `sessions`, the others in their order.
        reject: told of each row that becomes no event, and why.
    """
    (session,) = rows["sessions"]
    move = _Move(session, reject)
    move.each("sessions", [session], move.session)
    for table in TABLES[1:]:
        if table == "todos":
            move.todos(rows[table])
        else:
            move.each(table, rows[table], getattr(move, table))
    move.each("sessions", [session], move.standing)
    return move.facts.events


class _Move:
    def __init__(self, session: Row, reject: Reject) -> None:
        self.facts = Facts(FORMAT, session["tenant_id"] or "")
        self._session = session
        self._key: str = session["id"]
        self._reject = reject
        self._rejected: set[tuple[str, str]] = set()
        self._usage = Usage()
        self._summary: str | None = None

    def each(self, table: str, rows: Iterable[Row], convert: Callable[[Row], None]) -> None:
        """Convert rows; what an event cannot say rejects its row, once, and the others go on."""
        for row in rows:
            try:
                convert(row)
            except (BadInput, msgspec.ValidationError) as error:
                self._refuse(table, row, str(error))

    def _refuse(self, table: str, row: Row, reason: str) -> None:
        if (table, str(row["id"])) not in self._rejected:
            self._rejected.add((table, str(row["id"])))
            self._reject(table, row, reason)

    def _say(self, event: Any, at: datetime | None) -> None:
        self.facts.add(SESSION, self._key, event, at)

    def session(self, row: Row) -> None:
        created = SessionCreated(
            parent=row["parent_id"], session_type=row["session_type"], mode=row["mode"],
            config=_json(row["config"]), permissions=_json(row["permissions"]),
            static_context_hash=row["static_context_hash"], expires_at=row["expires_at"],
            created_at=row["created_at"],
        )  # fmt: skip
        self._say(created, row["created_at"])

    def compacts(self, row: Row) -> None:
        compacted = ConversationCompacted(
            trigger=row["trigger"], tokens_before=row["pre_tokens"], tokens_after=row["post_tokens"],
            tokens_saved=row["saved_tokens"], summary=row["summary"],
            messages_before=row["original_count"], messages_after=row["new_count"],
            logical_parent_id=row["logical_parent_id"], source=raw({"id": row["id"]}),
        )  # fmt: skip
        self._say(compacted, row["created_at"])

    def messages(self, row: Row) -> None:
        usage, rest = _usage(row["usage"])
        message = MessageAppended(
            message_id=row["id"], role=row["role"], content=_json(row["content"]),
            parent_id=row["parent_id"], model=row["model"], request_id=row["request_id"], usage=usage,
            sidechain=bool(row["is_sidechain"]), compact_summary=bool(row["is_compact_summary"]),
            metadata=_json(row["metadata"]), environment=_json(row["environment"]),
            source=NULL if rest is None else raw({"usage": Raw(rest.encode())}),
        )  # fmt: skip
        self._say(message, row["created_at"])
        if usage is not None:
            self._usage = Usage(*(a + b for a, b in zip(_counts(self._usage), _counts(usage), strict=True)))

    def summaries(self, row: Row) -> None:
        summary = SummaryRecorded(row["summary"], row["leaf_message_id"], raw({"id": row["id"]}))
        self._say(summary, row["created_at"])
        self._summary = row["summary"]

    def plans(self, row: Row) -> None:
        id = str(row["id"])
        plan = PlanSaved(
            session=self._key, plan_id=id, content=row["content"], name=row["name"], status=row["status"],
            error=row["error"], created_at=row["created_at"], approved_at=row["approved_at"],
            started_at=row["started_at"], completed_at=row["completed_at"],
        )  # fmt: skip
        self.facts.add(PLAN, join_key(self._key, id), plan, row["created_at"])

    def todos(self, rows: list[Row]) -> None:
        """The list is one event: where it cannot be told, all of its rows are rejected."""
        todos = tuple(
            Todo(
                content=row["content"], status=row["status"], active_form=row["active_form"],
                id=str(row["id"]), plan_id=None if row["plan_id"] is None else str(row["plan_id"]),
                created_at=row["created_at"], started_at=row["started_at"], completed_at=row["completed_at"],
            )
            for row in rows
        )  # fmt: skip
        if todos:
            try:
                self._say(TodosReplaced(todos), None)
            except BadInput as error:
                for row in rows:
                    self._refuse("todos", row, str(error))

    def queue(self, row: Row) -> None:
        id, created, processed = str(row["id"]), row["created_at"], row["processed_at"]
        steps: list[tuple[Any, datetime | None]] = [
            (
                ItemEnqueued(
                    raw(row["content"]), session=self._key, priority=row["priority"] or 0,
                    operation=row["operation"] or None,
                ),
                created,
            )
        ]  # fmt: skip
        match row["status"]:
            case "pending":
                pass
            case "processing":
                # There it is taken for good, and nobody says how it ends. A claim that is never over would
                # keep the session from all that waits behind it.
                steps += [(ItemClaimed(WORKER), processed), (ItemInterrupted(WORKER), processed)]
            case "completed":
                steps += [(ItemClaimed(WORKER), processed), (ItemCompleted(), processed)]
            case "cancelled":
                steps.append((ItemCancelled(), processed))
            case status:
                raise BadInput(f"status {status!r} is none of pending, processing, completed, cancelled")
        # All of an item or nothing: half of one would stand in another state than it has.
        item = Facts(FORMAT, self.facts.tenant)
        for event, at in steps:
            item.add(QUEUE_ITEM, id, event, at)
        self.facts.events += item.events

    def standing(self, row: Row) -> None:
        """What the session's row says of how it stands now, beyond what its parts add up to."""
        if row["state"] == "deleted":
            raise BadInput("state 'deleted' is no state of this store's: a deleted session has no row")
        updated = SessionUpdated(state=row["state"], error=row["error"])
        self._say(updated, row["updated_at"])
        if row["summary"] is not None and row["summary"] != self._summary:
            self._say(SummaryRecorded(row["summary"], None, raw({"column": "summary"})), row["updated_at"])
        for correction in self._corrections(row):
            self._say(correction, row["updated_at"])
        record = {**row, "config": _json(row["config"]), "permissions": _json(row["permissions"])}
        self._say(RecordKept(FORMAT, raw(record), "sessions"), row["updated_at"])

    def _corrections(self, row: Row) -> list[UsageRecorded]:
        """What the totals say more, or less, than the messages: those that a compaction took away."""
        source = raw({"columns": ["total_input_tokens", "total_output_tokens", "total_cost_usd"]})
        more = [
            (row["total_input_tokens"] or 0) - self._usage.input_tokens,
            (row["total_output_tokens"] or 0) - self._usage.output_tokens,
        ]
        cost = row["total_cost_usd"] or Decimal(0)
        if not cost.is_finite():
            raise BadInput(f"total_cost_usd is {cost}, which is no amount")
        if max(map(abs, more)) > _CORRECTIONS_MAX * _TOKENS_MAX:
            raise BadInput(f"total_input_tokens and total_output_tokens are {more[0]:,} and {more[1]:,} off")
        found: list[UsageRecorded] = []
        while any(more) or cost:
            step = [max(-_TOKENS_MAX, min(_TOKENS_MAX, tokens)) for tokens in more]
            found.append(UsageRecorded(Usage(*step), cost or None, source=source))
            more, cost = [all - now for all, now in zip(more, step, strict=True)], Decimal(0)
        return found


def _json(text: str | None) -> Raw:
    return NULL if text is None else raw(Raw(text.encode()))


def _usage(text: str | None) -> tuple[Usage | None, str | None]:
    """Return the tokens of a `usage` column, and the column's text where it says anything else as well."""
    if text is None:
        return None, None
    value = msgspec.json.decode(text)
    if not isinstance(value, dict):
        return None, text
    counts = {ours: value[theirs] for theirs, ours in _USAGE.items() if type(value.get(theirs)) is int}
    usage = msgspec.convert(counts, Usage)
    known = {theirs for theirs, ours in _USAGE.items() if ours in counts}
    return usage, None if set(value) <= known else text


def _counts(usage: Usage) -> tuple[int, ...]:
    return msgspec.structs.astuple(usage)
