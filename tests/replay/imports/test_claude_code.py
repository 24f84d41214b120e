"""The oddities of real transcripts, as counted on 131 files with 21,288 lines, one claim each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventlog.errors import EventTooLarge
from eventlog.events import ConversationCompacted, RecordKept, SummaryRecorded, Usage
from replay.imports.claude_code import Transcript
from replay.imports.lines import LINE_BYTES_MAX
from replay.imports.original import original_record
from replay.imports.thread import Thread
from replay.imports.usage import total
from tests.replay.imports.transcripts import SESSION_ID, answered, convert, dump, envelope, plain, read, said

MAIN = Thread(SESSION_ID, SESSION_ID, None, None)


def result(id: str, number: int) -> dict[str, Any]:
    return said([{"type": "tool_result", "tool_use_id": id, "content": "done"}], number)


def boundary(number: int = 5, **fields: Any) -> dict[str, Any]:
    metadata = {"trigger": "auto", "preTokens": 167094}
    return envelope("system", number, subtype="compact_boundary", logicalParentUuid="uuid-4",
                    compactMetadata=metadata, **fields)  # fmt: skip


def test_oddity_1_a_response_in_several_lines_counts_once() -> None:
    """The lines share an id, repeat the usage, output grows, and others come in between."""
    records = [answered(1, output=2), answered(2, id="msg_2"), answered(3, output=40), answered(4, output=40)]
    messages = [read(event) for event in convert(*records)]
    assert [message.usage for message in messages] == [
        Usage(3, 2, 1000, 50),
        Usage(3, 7, 1000, 50),
        Usage(output_tokens=38),
        None,
    ]
    assert [message.response_id for message in messages] == ["msg_1", "msg_2", "msg_1", "msg_1"]


def test_oddity_2_a_null_stop_reason_is_none() -> None:
    """93 % of assistant lines."""
    (event,) = convert(answered())
    assert read(event).stop_reason is None


def test_oddity_3_order_is_the_place_in_the_file() -> None:
    """Timestamps run backwards in 7.7 % of steps; they are kept and decide nothing."""
    times = ["2026-01-02T05:00:00.000Z", "2026-01-02T03:00:00.000Z", "2026-01-02T04:00:00.000Z"]
    events = convert(*[said("a", number, timestamp=time) for number, time in enumerate(times, 1)])
    assert [event.occurred_at for event in events] == [f"{time[:-1]}000Z" for time in times]
    assert [read(event).message_id for event in events] == ["uuid-1", "uuid-2", "uuid-3"]


def test_oddity_4_parents_may_be_missing_shared_or_absent() -> None:
    """It is a forest with branches, and parts of it are in other files."""
    parents = ["elsewhere", None, "uuid-2", "uuid-2", None]
    events = convert(*[said("a", number, parentUuid=parent) for number, parent in enumerate(parents, 1)])
    assert [read(event).parent_id for event in events] == parents


def test_oddity_5_a_record_of_another_session_stays_in_its_file() -> None:
    """Several sessions in one file: the file's first decides, the record keeps its own."""
    (event,) = convert(said("a", sessionId="another"))
    assert event.stream.key == SESSION_ID
    assert plain(read(event).source)["sessionId"] == "another"


def test_oddity_6_tool_calls_and_results_need_not_match() -> None:
    """A result without a call, a call answered twice, a call never answered."""
    call = answered(2, message={"content": [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}]})
    events = convert(result("t0", 1), call, result("t1", 3), result("t1", 4), call)
    assert [event.type for event in events] == ["message_appended"] * 5
    assert len({event.id for event in events}) == 5


@pytest.mark.parametrize(
    "record",
    [
        {"type": "summary", "summary": "About tides", "leafUuid": "elsewhere"},
        {"type": "file-history-snapshot", "messageId": "m", "snapshot": {}, "isSnapshotUpdate": False},
    ],
)
def test_oddity_7_a_file_without_a_message_is_a_session_all_the_same(record: dict[str, Any]) -> None:
    """A one-line file is real; the empty one is in test_thread and test_runner."""
    converted = Transcript(MAIN, "").convert(dump(record), 1)
    assert converted.events[0].type == "session_created"
    assert not converted.message
    assert original_record(converted.events[1], session=SESSION_ID) == record


@pytest.mark.parametrize(
    "record",
    [
        {"version": "0.1", "exported_at": "2026-01-02"},
        {"type": "file-history-snapshot", "messageId": "m", "snapshot": {"trackedFileBackups": {"/a": 1}}},
        {"type": "permission-mode", "permissionMode": "plan", "sessionId": SESSION_ID},
        {"type": "a-kind-of-next-year", "content": [1, 2]},
        {"type": 7},
        {"type": None, "uuid": []},
        {"type": "summary", "leafUuid": "x"},
        {"type": "system", "subtype": "microcompact_boundary"},
        {},
    ],
)  # fmt: skip
def test_oddity_8_records_of_unknown_or_no_type_pass_through_verbatim(record: dict[str, Any]) -> None:
    """A line we do not understand is kept, not guessed at."""
    (event,) = convert(record)
    kept = read(event)
    assert isinstance(kept, RecordKept)
    assert bytes(kept.record) == dump(record)
    assert kept.kind == (record.get("type") if isinstance(record.get("type"), str) else None)


@pytest.mark.parametrize("line", [b'"massive error"', b"42", b"[1]", b"null", b"true"])
def test_oddity_8_json_that_is_no_object_passes_through_verbatim(line: bytes) -> None:
    """Three such lines in one fixture."""
    (event,) = convert(line)
    assert bytes(read(event).record) == line


@pytest.mark.parametrize(
    "text", ["\x1b[31mred\x1b[0m", "a\rb", "\ufffd", "\x00", "\u2028", "x\ud800", "\x7f", "🌊"]
)
def test_oddity_9_any_character_comes_back_in_keys_and_values(text: str) -> None:
    """ANSI escapes, CR, NUL and lone surrogates come from real tools; keys are data, often paths."""
    for record in (said(text, extra={f"/tmp/{text}": text}), {"type": "progress", "data": {text: text}}):
        (event,) = convert(json.dumps(record).encode())
        assert original_record(event, session=SESSION_ID) == record


def test_oddity_10_an_export_without_message_ids_counts_each_line() -> None:
    """Its first line has no type, its messages neither message.id nor requestId."""
    header = {"version": "0.1", "session": {"id": SESSION_ID}}
    events = convert(header, answered(1, id=None), answered(2, id=None))
    added = Usage()
    for event in events[1:]:
        added = total(added, read(event).usage)
    assert added == Usage(6, 14, 2000, 100)
    assert [event.type for event in events] == ["record_kept", "message_appended", "message_appended"]


def test_a_compaction_is_an_event_and_its_summary_a_message() -> None:
    """The boundary starts a new root; logicalParentUuid keeps the link."""
    summary = said("So far: …", 6, isCompactSummary=True, parentUuid="uuid-5")
    compacted, message = convert(boundary(), summary)
    event = read(compacted)
    assert isinstance(event, ConversationCompacted)
    assert (event.trigger, event.tokens_before, event.message_id) == ("auto", 167094, "uuid-5")
    assert event.logical_parent_id == "uuid-4"
    assert original_record(compacted, session=SESSION_ID) == boundary()
    assert read(message).compact_summary


@pytest.mark.parametrize("metadata", [None, [], {}, {"preTokens": -1}, {"preTokens": 10**30}, {"trigger": 1}])
def test_a_compaction_with_odd_metadata_is_one_all_the_same(metadata: Any) -> None:
    """What it hides does not depend on the figures."""
    record = {**boundary(), "compactMetadata": metadata}
    (event,) = convert(record)
    assert read(event).tokens_before is None
    assert original_record(event, session=SESSION_ID) == record


def test_an_inline_sub_agents_compaction_does_not_hide_the_session() -> None:
    """It is kept; in the sub-agent's own file it counts."""
    assert convert(boundary(isSidechain=True))[0].type == "record_kept"
    own = Thread(f"{SESSION_ID}:a", SESSION_ID, "a", SESSION_ID)
    assert convert(boundary(isSidechain=True), thread=own)[0].type == "conversation_compacted"


@pytest.mark.parametrize(
    "more", [{}, {"uuid": "u", "timestamp": "2026-01-02T03:04:05.006Z"}, {"leafUuid": None}]
)
def test_a_summary_comes_back_with_all_its_fields(more: dict[str, Any]) -> None:
    """Two fields are the rule; fixtures have more, or fewer."""
    for record in (
        {"type": "summary", "summary": "About tides", "leafUuid": "elsewhere", **more},
        {"type": "summary", "summary": "About tides", **more},
    ):
        (event,) = convert(record)
        assert isinstance(read(event), SummaryRecorded)
        assert original_record(event, session=SESSION_ID) == record


def test_the_session_begins_with_what_the_file_tells_of_it() -> None:
    """Once, before the events of the first line."""
    thread = Thread(
        "s:a", "s", "a", "s", "Bake", "/home/ada", "main", "2.1.39", "2026-01-02T03:04:05.000000Z"
    )
    transcript = Transcript(thread, "acme")
    created, first = transcript.convert(dump(said("a")), 1).events
    (second,) = transcript.convert(dump(said("b")), 2).events
    event = read(created)
    assert (event.title, event.agent, event.parent, event.source) == ("Bake", "a", "s", "claude-code")
    assert (event.directory, event.git_branch, event.tool_version) == ("/home/ada", "main", "2.1.39")
    assert created.occurred_at == thread.started_at
    assert created.stream == first.stream == second.stream == ("acme", "session", "s:a")
    assert json.loads(second.meta) == {"line": 2}


def test_ids_come_from_the_content_of_lines_and_not_from_their_number() -> None:
    """A file that lost its head, or was copied, gives the events it shares the ids they had."""
    whole = convert(said("a", 1), said("b", 2), said("b", 2))
    assert [event.id for event in convert(said("b", 2), said("b", 2))] == [event.id for event in whole[1:]]


def test_a_line_of_the_largest_length_becomes_an_event() -> None:
    """The limit for lines leaves room for what an event adds."""
    frame = len(dump(said("")))
    (event,) = convert(said("x" * (LINE_BYTES_MAX - frame)))
    assert event.type == "message_appended"


def test_a_line_that_no_event_can_hold_is_refused() -> None:
    """Lone surrogates travel as base64, which is a third longer."""
    line = dump(said("x" * (LINE_BYTES_MAX - 1000), extra="EXTRA")).replace(b"EXTRA", b"\\ud800")
    with pytest.raises(EventTooLarge):
        convert(line)
