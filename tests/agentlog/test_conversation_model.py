"""Conversations against a plain model: any operations, in any order, with the store reopened in between."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from agentlog.errors import Conflict, NotFound, Refused
from eventlog.embedded.server import EmbeddedPostgres
from tests.support.machine import StoreMachine, run_machine

KEY, OTHER = "a", "a:b"
CONTENTS = st.sampled_from(["", "a\x00b", "\ud800", [{"type": "text", "text": "x"}], 10**30, {"a": None}])


class Said(NamedTuple):
    """A message of the model."""

    content: Any
    follows: str | None


class Talk(StoreMachine):
    """The model: what is in view, in order; what of this generation can come back; what is next."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = (f"m{n}" for n in itertools.count())
        self.known: dict[str, Said] = {}
        self.shown: list[str] = []
        self.head: str | None = None
        self.version = self.seq = self.generation = self.total = 0

    def named(self) -> dict[str, str]:
        return {"tenant": self.tenant}

    def happened(self, receipt: Any, events: int = 1) -> None:
        self.version += events
        assert list(receipt.versions.values()) == [self.version]

    def hears(self, id: str, content: Any, follows: str | None = None) -> None:
        self.known[id] = Said(content, self.head if follows is None else follows)
        self.shown.append(id)
        self.head = id
        self.seq += 1
        self.total += 1

    @rule(contents=st.lists(CONTENTS, min_size=1, max_size=3), data=st.data(), branch=st.booleans())
    def append(self, contents: list[Any], data: st.DataObject, branch: bool) -> None:
        messages = [{"role": "user", "content": content, "id": next(self.ids)} for content in contents]
        parent = data.draw(st.sampled_from(sorted(self.known))) if branch and self.known else None
        conversation = self.store.conversation
        if len(messages) == 1:
            receipt = self.run(conversation.append(KEY, messages[0], parent_id=parent, **self.named()))
        else:
            parent = None
            receipt = self.run(conversation.append_many(KEY, messages, **self.named()))
        for message in messages:
            self.hears(message["id"], message["content"], parent)
        self.happened(receipt, len(messages))
        assert (receipt.seq, receipt.generation) == (self.seq - 1, self.generation)

    @rule(content=CONTENTS)
    def append_where_somebody_was_faster(self, content: Any) -> None:
        message = {"role": "user", "content": content}
        with pytest.raises(Conflict):
            self.run(
                self.store.conversation.append(
                    KEY, message, expected_version=self.version + 1, **self.named()
                )
            )

    @precondition(lambda self: self.shown)
    @rule(content=CONTENTS, data=st.data())
    def edit(self, content: Any, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(self.shown))
        receipt = self.run(self.store.conversation.edit(KEY, id, content=content, **self.named()))
        assert (receipt is None) == (self.known[id].content == content)
        self.known[id] = self.known[id]._replace(content=content)
        if receipt is not None:
            self.happened(receipt)

    def goes(self, gone: set[str]) -> None:
        """Messages leave for good; what followed one of them follows what that one followed."""
        for id in self.shown:
            if id in gone:
                before = self.known.pop(id)
                for other, said in self.known.items():
                    if said.follows == id:
                        self.known[other] = said._replace(follows=before.follows)
        self.shown = [id for id in self.shown if id not in gone]
        if self.head in gone:
            self.head = self.shown[-1] if self.shown else None

    @precondition(lambda self: self.shown)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(self.shown), min_size=1, max_size=3, unique=True))
        self.happened(self.run(self.store.conversation.remove(KEY, ids, **self.named())))
        self.goes(set(ids))

    @precondition(lambda self: self.version)
    @rule(count=st.integers(1, 3))
    def pop(self, count: int) -> None:
        popped = self.run(self.store.conversation.pop(KEY, count, **self.named()))
        ids = self.shown[-count:]
        assert [message.message_id for message in popped] == ids
        self.version += bool(ids)
        self.goes(set(ids))

    @precondition(lambda self: self.version)
    @rule()
    def clear(self) -> None:
        receipt = self.run(self.store.conversation.clear(KEY, **self.named()))
        assert (receipt is None) == (not self.shown)
        if receipt is not None:
            self.happened(receipt)
            self.shown, self.head = [], None

    @precondition(lambda self: self.version)
    @rule(summary=st.booleans())
    def compact(self, summary: bool) -> None:
        compacting = self.store.conversation.compact(KEY, "sum" if summary else None, **self.named())
        if not self.shown:
            with pytest.raises(Refused):
                self.run(compacting)
            return
        self.happened(self.run(compacting), 1 + summary)
        self.shown, self.head = [], None
        if summary:
            [message] = self.run(self.store.conversation.load(KEY, **self.named()))
            self.hears(message.message_id, "sum")

    @precondition(lambda self: self.version)
    @rule(data=st.data())
    def rewind(self, data: st.DataObject) -> None:
        target = data.draw(st.sampled_from([None, "nowhere", *sorted(self.known)]))
        rewinding = self.store.conversation.rewind(KEY, target, **self.named())
        if target == "nowhere":
            with pytest.raises(NotFound):
                self.run(rewinding)
            return
        receipt = self.run(rewinding)
        if receipt is not None:
            self.happened(receipt)
        if target is None:
            self.shown = []
        elif target in self.shown:
            self.shown = self.shown[: self.shown.index(target) + 1]
        else:
            self.shown = self.way(target)
        self.head = target

    def way(self, id: str | None) -> list[str]:
        way: list[str] = []
        while id is not None and id in self.known:
            way.insert(0, id)
            id = self.known[id].follows
        return way

    @rule(content=CONTENTS, data=st.data(), forget=st.booleans())
    def save(self, content: Any, data: st.DataObject, forget: bool) -> None:
        loaded = self.run(self.store.conversation.load(KEY, **self.named()))
        kept = [message for message in loaded if data.draw(st.booleans())]
        changed = [message.changed(content=content) if n == 0 else message for n, message in enumerate(kept)]
        new = {"role": "user", "content": content, "id": next(self.ids)}
        receipt = self.run(
            self.store.conversation.save(
                KEY, [*changed, new], known_version=self.version if forget else None, **self.named()
            )
        )
        ids = [message.message_id for message in kept]
        gone = set(self.shown) - set(ids) if forget else set()
        events = 1 + bool(gone)
        if kept and self.known[ids[0]].content != content:
            self.known[ids[0]] = self.known[ids[0]]._replace(content=content)
            events += 1
        self.goes(gone)
        self.hears(new["id"], content)
        self.happened(receipt, events)

    @precondition(lambda self: self.version)
    @rule()
    def start_a_generation(self) -> None:
        self.generation += 1
        assert self.run(self.store.archive.new_generation(KEY, **self.named())) == self.generation
        self.version += 1
        self.known, self.shown, self.head, self.seq = {}, [], None, 0

    @precondition(lambda self: self.version)
    @rule()
    def delete_and_bring_back(self) -> None:
        """Neither the conversation nor its numbers begin anew."""
        self.happened(self.run(self.store.sessions.delete(KEY, **self.named())))
        self.happened(self.run(self.store.sessions.create(KEY, **self.named())))

    @rule(last=st.integers(1, 4))
    def load_the_last(self, last: int) -> None:
        found = self.run(self.store.conversation.load(KEY, last, **self.named()))
        assert [message.message_id for message in found] == self.shown[-last:]

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def load_a_branch(self, data: st.DataObject) -> None:
        leaf = data.draw(st.sampled_from(sorted(self.known)))
        found = self.run(self.store.conversation.load(KEY, leaf=leaf, **self.named()))
        assert [message.message_id for message in found] == self.way(leaf)
        heads = self.run(self.store.conversation.heads(KEY, **self.named()))
        followed = {said.follows for said in self.known.values()}
        assert {message.message_id for message in heads} == set(self.known) - followed

    @invariant()
    def the_window_is_that_of_the_model(self) -> None:
        window = self.run(self.store.conversation.load(KEY, **self.named()))
        assert [m.message_id for m in window] == self.shown
        assert [m.content for m in window] == [self.known[id].content for id in self.shown]
        assert self.run(self.store.conversation.load(OTHER, **self.named())) == []
        session = self.run(self.store.sessions.get(KEY, **self.named()))
        assert (session is None) == (self.version == 0)
        if session is not None:
            counts = (session.version, session.message_count, session.window_message_count)
            assert counts == (self.version, self.total, len(self.shown))
            assert session.generation == self.generation


def test_any_operations_on_a_conversation_leave_what_a_plain_model_has(
    postgres_server: EmbeddedPostgres,
) -> None:
    """Live tables equal a rebuild after each history, from either copy."""
    run_machine(Talk, postgres_server)
