"""A history with something for every picture of a report, and hostile names in all of it. Holds no test."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agentlog.report.asked import Asked, ask
from eventlog.events import (
    ConversationCompacted,
    ItemClaimed,
    ItemCompleted,
    ItemEnqueued,
    SessionCreated,
    TaskClaimed,
    TaskCompleted,
    TaskEnqueued,
    raw,
)
from tests.projections.archive.asking import at, said, used
from tests.projections.archive.history import History

HOSTILE = "</title></svg><script>document.title='taken'</script><img src=x onerror=alert(1)>\"'&"


def busy(name: str = HOSTILE) -> History:
    """Ten days: two models, a family of sessions, tools, a compaction, a queue, a task, an unusual day."""
    history = History()
    for key, parent in (("root", None), ("child", "root"), (name, None)):
        history.say(key, SessionCreated(title=f"{name} {key}", agent=name, parent=parent))
    call = [{"type": "tool_use", "id": "c", "name": name, "input": {"x": name}}]
    failed = [{"type": "tool_result", "tool_use_id": "c", "content": name, "is_error": True}]
    for day in range(1, 11):
        said(history, "root", at(day, "09:00:00"), name, role="user")
        used(history, "root", at(day, "09:01:00"), (10, 100, 500, 20), "0.5", model="m1", content=call)
        said(history, "root", at(day, "09:02:00"), failed, role="user")
        used(history, "child", at(day, "10:00:00"), (5, 50, 20), "0.25", model=name)
    for _ in range(40):
        used(history, name, at(10, "15:00:00"), (10, 900), model="m1")  # of unknown cost
    history.say("root", ConversationCompacted("auto", 1000, 100), occurred_at=at(9))
    for event, clock in ((ItemEnqueued(raw(name)), "10:00:00"), (ItemClaimed(name), "10:00:09"),
                         (ItemCompleted(), "10:01:00")):  # fmt: skip
        history.say(name, event, kind="queue_item", occurred_at=at(1, clock))
    for event, clock in ((TaskEnqueued(raw([])), "11:00:00"), (TaskClaimed(name), "11:00:02"),
                         (TaskCompleted(), "11:05:00")):  # fmt: skip
        history.say(name, event, kind="task", occurred_at=at(1, clock))
    return history


def asked(history: History, *, tenant: str | None = None, **arguments: Any) -> Asked:
    """What a report asks of a history."""
    with TemporaryDirectory() as directory, history.connect(Path(directory), tenant=tenant) as connection:
        return ask(connection, **arguments)


class Document(HTMLParser):
    """The tags, attributes and text of a page, as a browser takes them apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of that name."""
        return [attributes for name, attributes in self.tags if name == tag]
