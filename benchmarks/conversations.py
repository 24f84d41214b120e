"""Conversations of the shape real agents have: sizes, roles, session lengths, tools, tokens. Seeded.

The figures are those of 1,055 real sessions (29,141 messages): contents of 220 bytes at the median, 2.2 KB
at p90, 12 KB at p99, up to 900 KB; 37 % tool results, 33 % tool calls, 15 % answers, 10 % prompts; half of
the bytes in tool results; sessions of about 10 messages at the median and 360 at p99, many of them open
at once. Text is words by Zipf's law with lines that come back, because agents read the same files again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Raw, json

from eventlog.envelope import NewEvent, StreamId, check_stream
from eventlog.events import MessageAppended, Usage, new

MODELS = ("claude-sonnet-4-5-20250929", "claude-opus-4-6", "gpt-5-2025-08-07", "claude-haiku-4-5-20251001")
TOOLS = ("Bash", "Read", "Edit", "Write", "Grep", "Glob", "TodoWrite", "Task")
_TOOL_WEIGHTS = (41, 22, 16, 5, 4, 4, 3, 1)
_OPEN_SESSIONS = 200
_TEXT_BYTES = 24_000_000
_CONTENT_MAX = 880_000

# What a message is, how often (percent), and its length: median and sigma of a lognormal.
_KINDS = ("result", "call", "answer", "prompt", "thought")
_WEIGHTS = (37, 33, 17, 10, 3)
_LENGTHS = {
    "result": (270, 1.85),
    "call": (200, 1.35),
    "answer": (231, 1.05),
    "prompt": (113, 1.9),
    "thought": (690, 1.3),
}


class Said(NamedTuple):
    """One message and where it stands: what every store of a comparison is given."""

    stream: StreamId
    version: int
    time_us: int
    message: MessageAppended


class Conversations:
    """An endless log of messages on sessions of many lengths, `seed` alone deciding about it."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._text = _words(self._random, _TEXT_BYTES)
        self._sessions = 0
        self._call = 0
        self._time_us = 1_788_000_000_000_000
        self._open = [self._session() for _ in range(_OPEN_SESSIONS)]

    def __iter__(self) -> Iterator[Said]:
        chosen = self._random
        while True:
            at = int(chosen.random() * _OPEN_SESSIONS)
            stream, count, length = self._open[at]
            self._time_us += int(chosen.expovariate(1 / 900_000)) + 1
            yield Said(stream, count + 1, self._time_us, self._message(stream))
            self._open[at] = (stream, count + 1, length) if count + 1 < length else self._session()

    def _session(self) -> tuple[StreamId, int, int]:
        self._sessions += 1
        length = min(4000, max(2, int(self._random.lognormvariate(math.log(14), 1.6))))
        tenant = ("acme", "globex", "")[self._sessions % 3]
        return check_stream(tenant, "session", f"agent:main:user:{self._sessions}"), 0, length

    def _message(self, stream: StreamId) -> MessageAppended:
        chosen = self._random
        kind = chosen.choices(_KINDS, _WEIGHTS)[0]
        median, sigma = _LENGTHS[kind]
        text = self._slice(min(_CONTENT_MAX, int(chosen.lognormvariate(math.log(median), sigma)) + 1))
        number = chosen.getrandbits(64)
        id, model = f"msg_{number:016x}", MODELS[self._sessions % len(MODELS)]
        source = Raw(
            b'{"cwd":"/home/agent/project","version":"2.1.39","gitBranch":"main","slug":"%x"}' % number
        )
        if kind in ("result", "prompt"):
            content: object = text
            if kind == "result":
                content = [{"type": "tool_result", "tool_use_id": f"toolu_{self._call:016x}", "content": text,
                            "is_error": number % 20 == 0}]  # fmt: skip
            return MessageAppended(id, "user", Raw(json.encode(content)), source=source)
        block: dict[str, object] = {"type": "text", "text": text}
        if kind == "call":
            self._call = number
            tool = chosen.choices(TOOLS, _TOOL_WEIGHTS)[0]
            block = {"type": "tool_use", "id": f"toolu_{number:016x}", "name": tool,
                     "input": {"command": text, "timeout": 120}}  # fmt: skip
        elif kind == "thought":
            block = {"type": "thinking", "thinking": text}
        usage = Usage(number % 40, number % 900, number % 150_000, number % 3_000)
        return MessageAppended(
            id, "assistant", Raw(json.encode([block])), model=model, response_id=f"resp_{number:016x}",
            stop_reason="tool_use" if kind == "call" else "end_turn", usage=usage, source=source,
        )  # fmt: skip

    def _slice(self, length: int) -> str:
        start = int(self._random.random() * (len(self._text) - length))
        return self._text[start : start + length]


def as_event(said: Said, id: str) -> NewEvent:
    """Return the event of one message, encoded and hashed."""
    return new(said.stream, said.message, id=id, meta=b'{"host":"bench"}')


def _words(chosen: random.Random, length: int) -> str:
    """Lines of words by Zipf's law; every second line has been there before."""
    letters = "etaoinshrdlucmfwypvbgkqjxz"
    words = ["".join(chosen.choices(letters, k=chosen.randint(2, 9))) for _ in range(6_000)]
    words += [
        '{"path":',
        "\\",
        "/usr/lib/python3",
        "→",
        "def",
        "return",
        "None,",
        "==",
        "0x7f",
        "error:",
        '"value"',
    ]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    chosen.shuffle(words)
    stock = chosen.choices(words, weights, k=length // 8)
    lines: list[str] = []
    size = at = 0
    while size < length:
        if lines and chosen.random() < 0.5:
            line = lines[-min(len(lines), int(chosen.expovariate(1 / 60)) + 1)]
        else:
            count = chosen.randint(2, 14)
            line = " " * chosen.choice((0, 0, 4, 8)) + " ".join(stock[at : at + count])
            at = (at + count) % (len(stock) - 14)
        lines.append(line)
        size += len(line) + 1
    return "\n".join(lines)
