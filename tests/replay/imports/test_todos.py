"""The todo list follows what records show of it, and only when it changed."""

from __future__ import annotations

from typing import Any

import pytest

from eventlog.events import Todo, TodosReplaced
from replay.imports.thread import Thread
from tests.replay.imports.transcripts import SESSION_ID, answered, convert, read, said

LIST = [{"content": "Bake", "status": "pending", "activeForm": "Baking", "id": "1", "priority": "high"}]
BAKE = Todo("Bake", "pending", "Baking", "1")


def replaced(*records: Any, thread: Thread | None = None) -> list[TodosReplaced]:
    return [read(event) for event in convert(*records, thread=thread) if event.type == "todos_replaced"]


def wrote(todos: Any, **fields: Any) -> dict[str, Any]:
    block = {"type": "tool_use", "id": "t", "name": "TodoWrite", "input": {"todos": todos}}
    return answered(message={"content": [{"type": "text", "text": "Plan"}, block]}, **fields)


def test_both_sources_of_the_list_are_read() -> None:
    """The tool's input and the field of user records."""
    assert replaced(wrote(LIST)) == replaced(said("hi", todos=LIST)) == [TodosReplaced((BAKE,))]


def test_the_same_list_again_is_no_event() -> None:
    """User records repeat the list each time."""
    assert len(replaced(said("a", todos=LIST), wrote(LIST), said("b", 2, todos=LIST))) == 1
    assert replaced(said("a", todos=[])) == []


def test_an_emptied_list_is_an_event() -> None:
    """It changed."""
    assert replaced(wrote(LIST), wrote([]))[1] == TodosReplaced(())


@pytest.mark.parametrize(
    "entry", ["broken_todo", 7, None, {}, {"content": "x"}, {"content": 1, "status": "y"}]
)
def test_a_broken_entry_is_left_out_and_the_others_stay(entry: Any) -> None:
    """As seen in a hand-written fixture; the message holds the entry."""
    assert replaced(wrote([entry, *LIST])) == [TodosReplaced((BAKE,))]


@pytest.mark.parametrize("todos", [None, "x", {}, 3])
def test_what_is_no_list_is_not_looked_at(todos: Any) -> None:
    """Nothing is invented."""
    assert replaced(wrote(todos), said("TodoWrite", todos=todos)) == []


def test_an_inline_sub_agents_list_is_not_the_sessions() -> None:
    """In a file of its own it is."""
    inline = wrote(LIST, isSidechain=True)
    assert replaced(inline) == []
    own = Thread(f"{SESSION_ID}:a", SESSION_ID, "a", SESSION_ID)
    assert replaced(inline, thread=own) == [TodosReplaced((BAKE,))]
