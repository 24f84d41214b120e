"""Random events of the vocabulary, for tests of events and folds. Holds no test."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from decimal import Decimal
from typing import Any, get_args

from hypothesis import strategies as st
from msgspec import Raw

from eventlog.envelope import NewEvent, StreamId
from eventlog.events import (
    DELIVERY,
    EXTERNAL_JOB,
    GRANT,
    KEY,
    NULL,
    PAIRING,
    PLAN,
    QUEUE_ITEM,
    SCHEDULE,
    SCHEDULE_LIST,
    SESSION,
    SESSION_ALIAS,
    TASK,
    TASK_LANE,
    AgentEvent,
    AliasRemoved,
    AliasSet,
    ConversationCleared,
    ConversationCompacted,
    EffectDelivered,
    ExternalEvent,
    GenerationStarted,
    HeadMoved,
    ItemCancelled,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    ItemFailed,
    ItemInterrupted,
    ItemMerged,
    ItemReleased,
    JobCancelled,
    JobCompleted,
    JobDeleted,
    JobDelivered,
    JobDeliveryClaimed,
    JobDeliveryFailed,
    JobEnqueued,
    JobFailed,
    JobPollClaimed,
    JobPolled,
    JobPollFailed,
    JobTimedOut,
    JobUpdated,
    KeyDeleted,
    KeySet,
    MessageAppended,
    MessageEdited,
    MessagesRemoved,
    PairingApproved,
    PairingRemoved,
    PairingRequested,
    PermissionGranted,
    PermissionRevoked,
    PlanApproved,
    PlanCleared,
    PlanCompleted,
    PlanFailed,
    PlanSaved,
    PlanStarted,
    QueueEvent,
    RecordKept,
    ScheduleDeleted,
    ScheduleEvent,
    ScheduleFired,
    SchedulePaused,
    ScheduleResumed,
    ScheduleSet,
    ScheduleSkipped,
    SchedulesReplaced,
    ScheduleTriggered,
    SessionCreated,
    SessionDeleted,
    SessionEnded,
    SessionUpdated,
    SummaryRecorded,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskDied,
    TaskEnqueued,
    TaskEvent,
    TaskExpired,
    TaskFailed,
    TaskMerged,
    TaskNotified,
    TaskProgressed,
    TaskReleased,
    TaskRevived,
    Todo,
    TodosReplaced,
    TurnTaken,
    Usage,
    UsageRecorded,
    event_type,
    new,
    raw,
)

EVENT_ID = "0190d5a0-0000-7000-8000-000000000001"

# Events of a session stand on its stream; these have streams of their own.
KINDS: dict[type[Any], str] = {
    **dict.fromkeys(get_args(QueueEvent), QUEUE_ITEM),
    **dict.fromkeys(get_args(TaskEvent), TASK),
    TurnTaken: TASK_LANE,
    **dict.fromkeys((KeySet, KeyDeleted), KEY),
    EffectDelivered: DELIVERY,
    **dict.fromkeys((AliasSet, AliasRemoved), SESSION_ALIAS),
    **dict.fromkeys((PairingRequested, PairingApproved, PairingRemoved), PAIRING),
    **dict.fromkeys((PermissionGranted, PermissionRevoked), GRANT),
    **dict.fromkeys((PlanSaved, PlanApproved, PlanStarted, PlanCompleted, PlanFailed, PlanCleared), PLAN),
    **dict.fromkeys(get_args(ExternalEvent), EXTERNAL_JOB),
    **dict.fromkeys(get_args(ScheduleEvent), SCHEDULE),
    SchedulesReplaced: SCHEDULE_LIST,
}
STREAMS = {kind: StreamId("acme", kind, "one") for kind in (SESSION, *KINDS.values())}


def kind_of(event: AgentEvent | type[Any]) -> str:
    """Return the kind of stream that an event, or a class of events, stands on."""
    return KINDS.get(event if isinstance(event, type) else type(event), SESSION)


def encoded(event: AgentEvent) -> NewEvent:
    """Return the event as the log gets it."""
    return new(STREAMS[kind_of(event)], event, id=EVENT_ID)


def unreadable(event: type[Any], data: bytes = b'"of another shape"', schema: int = 1) -> NewEvent:
    """Return an event whose data no release wrote, or one of a later schema."""
    stream = STREAMS[kind_of(event)]
    return NewEvent(stream, event_type(event), schema, EVENT_ID, None, None, data, b"{}", bytes(32))


# What columns find hard: NUL, quotes, text beyond the BMP, lone surrogates (they travel encoded).
_hard = ["", "\x00", "a\x00\\u0000", 'a"b\\c', "\u2028", "😀", "\ud800", "x" * 3000, "null"]
texts = st.sampled_from(_hard) | st.text(st.characters(codec=None), max_size=5)
optional = st.none() | texts
integers = st.integers(-(2**31), 2**31 - 1)
counts = st.integers(0, 2**31 - 1)
times = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=14))])
)
costs = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [Decimal("0.012345"), Decimal("1E+40000"), Decimal("1E-40000"), Decimal("9" * 38), Decimal("-0.1")]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
# 20 digits, a number that no double holds, nesting that strict readers refuse.
raws = json_values.map(raw) | st.sampled_from(
    [Raw(b"12345678901234567890"), Raw(b'{"a":1e400}'), Raw(b"[" * 200 + b"]" * 200), Raw(b'{"a":0.10}')]
)
optional_raws = st.just(NULL) | raws

usages = st.builds(Usage, integers, integers, integers, integers, integers)
todos = st.builds(
    Todo,
    texts,
    st.sampled_from(["pending", "in_progress", "completed", "dropped"]),
    optional,
    optional,
    optional,
    st.none() | times,
    st.none() | times,
    st.none() | times,
)
words = st.sampled_from(["active", "waiting", "x" * 63, "\x00"])

messages = st.builds(
    MessageAppended,
    message_id=texts,
    role=st.sampled_from(["user", "assistant", "tool"]),
    content=raws,
    parent_id=optional,
    model=optional,
    usage=st.none() | usages,
    cost=st.none() | costs,
    sidechain=st.booleans(),
    source=optional_raws,
    metadata=optional_raws,
    environment=optional_raws,
)

session_events = st.one_of(
    st.builds(
        SessionCreated, optional, optional, optional, optional, optional, optional, optional, optional,
        optional, optional_raws, st.none() | times, st.none() | words, optional_raws, optional,
        st.none() | times,
    ),
    st.builds(
        SessionUpdated, optional, optional, optional, optional, st.none() | words, optional_raws,
        st.none() | times, optional, optional, optional, optional, optional, optional, st.none() | words,
        optional_raws, optional, st.lists(st.sampled_from(["title", "config", "state", "later"])).map(tuple),
    ),
    st.builds(SessionEnded, optional),
    st.builds(SessionDeleted, optional),
    st.builds(RecordKept, texts, raws, optional),
    messages,
    messages,
    st.builds(
        ConversationCompacted, optional, st.none() | counts, st.none() | counts, optional, optional, optional
    ),
    st.builds(SummaryRecorded, texts, optional),
    st.builds(
        MessageEdited, texts, role=optional, content=optional_raws, parent_id=optional,
        usage=st.none() | usages, cost=st.none() | costs, metadata=optional_raws,
    ),
    st.builds(MessagesRemoved, st.lists(texts, max_size=3).map(tuple), optional),
    st.builds(HeadMoved, st.integers(0, 20), counts, optional),
    st.builds(ConversationCleared, optional),
    st.builds(UsageRecorded, st.none() | usages, st.none() | costs),
    st.builds(GenerationStarted, st.integers(0, 5) | counts, counts, optional),
    st.builds(TodosReplaced, st.lists(todos, max_size=4).map(tuple)),
)  # fmt: skip

seconds = st.floats(0, 1e9)
rates = st.floats(1e-9, 1e9)

item_events = st.one_of(
    st.builds(ItemEnqueued, raws, optional, integers, optional_raws, st.none() | words),
    st.builds(ItemMerged, raws),
    st.builds(ItemClaimed, texts, st.none() | seconds, optional, st.none() | counts),
    st.builds(ItemReleased, optional),
    st.builds(ItemCompleted, optional_raws),
    st.builds(ItemFailed, optional),
    st.builds(ItemInterrupted, texts, st.booleans()),
    st.builds(ItemCancelled, optional),
)

task_events = st.one_of(
    st.builds(
        TaskEnqueued, raws, words, optional, integers, st.none() | times, st.none() | times, optional,
        optional, st.none() | counts, st.none() | rates, st.none() | rates, counts, seconds, optional_raws,
    ),
    st.builds(TaskMerged, raws),
    st.builds(TaskClaimed, texts, st.none() | seconds, optional),
    st.builds(TaskProgressed, st.none() | counts, optional),
    st.builds(TaskReleased, optional),
    st.builds(TaskCompleted, optional_raws, optional),
    st.builds(TaskFailed, times, optional),
    st.builds(TaskDied, optional),
    st.builds(TaskExpired),
    st.builds(TaskCancelled, optional),
    st.builds(TaskRevived, st.none() | times),
    st.builds(TaskNotified),
)  # fmt: skip

lane_events = st.builds(
    TurnTaken,
    st.lists(texts, max_size=2).map(tuple),
    words,
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | times,
)

key_events = st.one_of(
    st.builds(KeySet, texts, raws, texts, st.none() | times),
    st.builds(KeyDeleted, texts, texts, optional),
)

alias_events = st.builds(AliasSet, texts) | st.builds(AliasRemoved, optional)

pairing_events = st.one_of(
    st.builds(PairingRequested, texts, texts, texts, st.none() | times),
    st.builds(PairingApproved, texts, texts),
    st.builds(PairingRemoved, texts, texts, optional),
)

grant_events = st.one_of(
    st.builds(PermissionGranted, texts, texts, words, optional_raws, st.none() | times),
    st.builds(PermissionRevoked, texts, texts, optional),
)

optional_times = st.none() | times
plan_events = st.one_of(
    st.builds(
        PlanSaved, texts, texts, texts, optional, words, optional,
        optional_times, optional_times, optional_times, optional_times,
    ),
    st.builds(PlanApproved, texts, texts, optional_times),
    st.builds(PlanStarted, texts, texts, optional_times),
    st.builds(PlanCompleted, texts, texts, optional_times),
    st.builds(PlanFailed, texts, texts, optional, optional_times),
    st.builds(PlanCleared, texts, texts, optional),
)  # fmt: skip

waits = st.floats(0, 1e9)
job_events = st.one_of(
    st.builds(
        JobEnqueued, words, raws, times, optional, optional, waits, st.none() | times, counts, optional,
        optional_raws,
    ),
    st.builds(
        JobUpdated, optional, st.none() | times, st.none() | times, st.none() | counts, optional_raws
    ),
    st.builds(JobPollClaimed, texts, times),
    st.builds(JobPolled, times, optional_raws),
    st.builds(JobPollFailed, times, optional),
    st.builds(JobCompleted, optional_raws),
    st.builds(JobFailed, optional),
    st.just(JobTimedOut()),
    st.builds(JobCancelled, optional),
    st.builds(JobDeliveryClaimed, texts, times),
    st.just(JobDelivered()),
    st.builds(JobDeliveryFailed, st.none() | times, optional),
    st.builds(JobDeleted, optional),
)  # fmt: skip

_next = (st.none() | times, st.none() | times)
schedule_events = st.one_of(
    st.builds(
        ScheduleSet, texts, raws, optional, texts, integers, words, counts, waits, words, waits,
        st.booleans(), optional, *_next,
    ),
    st.builds(ScheduleDeleted, optional),
    st.builds(SchedulePaused, optional),
    st.builds(ScheduleResumed, *_next),
    st.builds(ScheduleFired, times, texts, *_next),
    st.builds(ScheduleSkipped, times, times, words, *_next),
    st.builds(ScheduleTriggered, texts),
)  # fmt: skip
list_events = st.builds(SchedulesReplaced, st.lists(texts, max_size=3).map(tuple))

events = st.one_of(
    session_events,
    item_events,
    task_events,
    lane_events,
    key_events,
    alias_events,
    pairing_events,
    grant_events,
    plan_events,
    job_events,
    schedule_events,
    list_events,
    st.builds(EffectDelivered, texts, optional_raws),
)

_broken = st.sampled_from([SessionCreated, MessageAppended, GenerationStarted, TodosReplaced]).map(unreadable)
_broken_items = st.sampled_from([ItemEnqueued, ItemClaimed, ItemCompleted]).map(unreadable)
_broken_tasks = st.sampled_from([TaskEnqueued, TaskClaimed, TaskFailed]).map(unreadable)
_broken_aliases = st.just(unreadable(AliasSet))
_broken_keys = st.sampled_from([KeySet, KeyDeleted]).map(unreadable)
_broken_plans = st.sampled_from([PlanSaved, PlanCleared]).map(unreadable)
_broken_pairings = st.sampled_from([PairingRequested, PairingApproved]).map(unreadable)
_broken_grants = st.sampled_from([PermissionGranted, PermissionRevoked]).map(unreadable)
_broken_jobs = st.sampled_from([JobEnqueued, JobUpdated, JobPollClaimed]).map(unreadable)

# Histories as the log holds them, of one stream; now and then something that cannot be read.
session_histories = st.lists(session_events.map(encoded) | _broken, max_size=12)
alias_histories = st.lists(alias_events.map(encoded) | _broken_aliases, max_size=4)
item_histories = st.lists(item_events.map(encoded) | _broken_items, max_size=8)
task_histories = st.lists(task_events.map(encoded) | _broken_tasks, max_size=8)
lane_histories = st.lists(lane_events.map(encoded) | st.just(unreadable(TurnTaken)), max_size=4)
key_histories = st.lists(key_events.map(encoded) | _broken_keys, max_size=6)
pairing_histories = st.lists(pairing_events.map(encoded) | _broken_pairings, max_size=6)
grant_histories = st.lists(grant_events.map(encoded) | _broken_grants, max_size=6)
plan_histories = st.lists(plan_events.map(encoded) | _broken_plans, max_size=6)
schedule_histories = st.lists(schedule_events.map(encoded) | st.just(unreadable(ScheduleSet)), max_size=8)
list_histories = st.lists(list_events.map(encoded), max_size=4)
job_histories = st.lists(job_events.map(encoded) | _broken_jobs, max_size=8)

# Of any stream kind but `session`.
other_histories = st.one_of(
    item_histories,
    task_histories,
    lane_histories,
    key_histories,
    alias_histories,
    pairing_histories,
    grant_histories,
    plan_histories,
    job_histories,
    schedule_histories,
    list_histories,
)
