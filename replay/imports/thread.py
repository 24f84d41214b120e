"""Whose transcript a file is: its session's key, parent and description. Makes no events.

A thread is (session id, agent id). Sub-agents have had three homes: `<session>/subagents/
agent-<id>.jsonl`, `agent-<id>.jsonl` beside the main file, and lines with `isSidechain` within the
main file, which stay in the session they stand in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from eventlog.envelope import MAX_KEY_BYTES, check_text, format_time, parse_time
from eventlog.errors import BadIdentifier, BadInput
from eventlog.events.keys import key_part
from replay.imports.files import shown
from replay.imports.lines import WHITE_SPACE, Line
from replay.imports.record import Members, NotJson, flag, is_null, members, take_apart, text

TITLE_CHARACTERS_MAX = 80

KNOWN_TYPES = frozenset(
    {
        "user",
        "assistant",
        "system",
        "summary",
        "progress",
        "queue-operation",
        "file-history-snapshot",
        "attachment",
        "permission-mode",
        "last-prompt",
        "pr-link",
    }
)

# How texts begin that the tool put in the person's place: commands in tags, notices.
_NOT_TYPED = ("<", "[Request interrupted", "Caveat: The messages below")
_AGENT_FILE = re.compile(r"agent-(.+)\Z", re.DOTALL)
_SPACES = re.compile(r"\s+")


class Thread(NamedTuple):
    """What a file as a whole tells of its session.

    Attributes:
        session: the session's key: the session id, or `<session id>:<agent id>`; opaque.
        session_id: as records of the file name it; None when the key comes from the path.
        agent: id of the sub-agent; None for a main file.
        parent: key of the session that started this one.
        started_at: the first time in the file, RFC 3339.
    """

    session: str
    session_id: str | None
    agent: str | None
    parent: str | None
    title: str | None = None
    directory: str | None = None
    git_branch: str | None = None
    tool_version: str | None = None
    started_at: str | None = None


def read_thread(path: PurePath, lines: Iterable[Line]) -> Thread | None:
    """Return the thread of a file; None when it holds nothing but white space.

    Reads until session, directory and title are known: normally a few lines, at worst all.
    Raises:
        BadInput: the file is no transcript of Claude Code, or its name makes no key.
    """
    head = _Head()
    written = parsed = 0
    for line in lines:
        if line.content is not None and not line.content.strip(WHITE_SPACE):
            continue
        written += 1
        try:
            found = take_apart(line.content) if line.content is not None else None
        except NotJson:
            continue
        parsed += 1
        if found is not None:
            head.look_at(found)
            if head.is_complete():
                break
    if not written:
        return None
    if not head.recognised:
        _refuse(path, parsed)
    return head.thread(path)


def time_of(values: dict[str, Raw]) -> str | None:
    """Return a record's `timestamp` as the log writes times; None when it has none that can be read."""
    stamp = text(values, "timestamp")
    if stamp is None:
        return None
    try:
        return format_time(parse_time(stamp))
    except (BadInput, OverflowError):
        return None


class _Head:
    """Collects what the first records of a file say; the first one to say a thing decides."""

    def __init__(self) -> None:
        self.recognised = False
        self._session_id: str | None = None
        self._agent: str | None = None
        self._prompt: str | None = None
        self._summary: str | None = None
        self._described: dict[str, str | None] | None = None
        self._started_at: str | None = None

    def look_at(self, record: Members) -> None:
        values = record.values
        kind = text(values, "type")
        session_id = _identifier(values, "sessionId")
        self.recognised = self.recognised or kind in KNOWN_TYPES or session_id is not None
        if self._session_id is None and session_id is not None:
            self._session_id = session_id
            self._agent = _identifier(values, "agentId")
        if self._described is None and (directory := text(values, "cwd")):
            self._described = {
                "directory": directory,
                "git_branch": text(values, "gitBranch") or None,
                "tool_version": text(values, "version"),
            }
        self._started_at = self._started_at or time_of(values)
        if kind == "summary":
            self._summary = self._summary or text(values, "summary")
        elif kind == "user":
            self._prompt = self._prompt or _prompt(values)

    def is_complete(self) -> bool:
        return None not in (self._session_id, self._described, self._prompt)

    def thread(self, path: PurePath) -> Thread:
        session_id, agent = self._session_id, self._agent
        named = _AGENT_FILE.match(path.stem)
        if path.parent.name == "subagents":
            agent = agent or (named[1] if named else path.stem)
            session_id = session_id or path.parent.parent.name or None
        elif path.stem == session_id:
            agent = None  # the file named like the session is the main one, whoever speaks first
        elif agent is None and named:
            agent = named[1]
        main = key_part(path.stem if session_id is None else session_id)
        if session_id is None or agent is None:
            session, parent = main, None
        else:
            session, parent = f"{main}:{key_part(agent)}", main
        try:
            check_text(session, "session key", MAX_KEY_BYTES)
        except BadIdentifier as error:
            raise BadInput(
                f"{shown(path)} cannot name a session: {error}", hint="rename the file", path=shown(path)
            ) from error
        return Thread(
            session, self._session_id, agent, parent,
            title=_shorten(self._prompt or self._summary),
            started_at=self._started_at,
            **(self._described or {}),
        )  # fmt: skip


def _identifier(values: dict[str, Raw], name: str) -> str | None:
    """Return a member that can be part of a key."""
    value = text(values, name)
    if not value or "\0" in value or len(value.encode()) > MAX_KEY_BYTES // 4:
        return None
    return value


def _prompt(values: dict[str, Raw]) -> str | None:
    """Return what a person typed: no tool result, no notice of the tool, no text in tags."""
    if flag(values, "isMeta") or flag(values, "isCompactSummary"):
        return None
    message = members(values, "message")
    if message is None or is_null(message.values, "content"):
        return None
    try:
        content: Any = msgspec.json.decode(message.values["content"])
    except (ValueError, RecursionError):
        return None
    if isinstance(content, list):
        blocks = [block for block in content if isinstance(block, dict) and block.get("type") == "text"]
        content = blocks[0].get("text") if blocks else None
    if not isinstance(content, str) or content.lstrip().startswith(_NOT_TYPED):
        return None
    return content.strip() or None


def _shorten(title: str | None) -> str | None:
    if title is None:
        return None
    line = _SPACES.sub(" ", title).strip()
    if len(line) <= TITLE_CHARACTERS_MAX:
        return line
    return line[: TITLE_CHARACTERS_MAX - 1].rstrip() + "…"


def _refuse(path: PurePath, parsed: int) -> None:
    what = (
        "no line of it is JSON"
        if not parsed
        else f"{parsed:,} lines of it are JSON, but none has a type or sessionId of Claude Code"
    )
    raise BadInput(
        f"{shown(path)} is no transcript of Claude Code: {what}",
        hint="expected lines as in ~/.claude/projects/<project>/<session>.jsonl; nothing of it was imported",
        path=shown(path),
    )
