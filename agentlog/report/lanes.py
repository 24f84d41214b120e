"""Turns sessions and their messages into timelines. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from agentlog.charts import Kind, Lane, Mark, Timeline
from agentlog.charts.scale import figure
from agentlog.charts.timeline import span
from agentlog.report.asked import Asked
from agentlog.report.figures import session_name

# Kinds of session_tree_messages with their colours; what matters most comes first, and is drawn last.
KINDS = {
    "error": Kind("tool error", 4),
    "prompt": Kind("prompt", 0),
    "answer": Kind("answer", 2),
    "call": Kind("tool call", 6),
    "result": Kind("tool result", 7),
    "other": Kind("other", 5),
}


def sessions(asked: Asked) -> Timeline:
    """When the latest sessions were at work; those that came from one of them stand below it."""
    rows = asked.dicts("session_timeline")
    children: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    known = {(row["tenant"], row["session"]) for row in rows}
    for row in rows:
        parent = (row["tenant"], row["parent"])
        children[parent if row["parent"] and parent in known else None].append(row)
    lanes: list[Lane] = []
    placed: set[Any] = set()

    def put(row: dict[str, Any], depth: int) -> None:
        key = (row["tenant"], row["session"])
        if key in placed:
            return
        placed.add(key)
        lanes.append(
            Lane(session_name(row), row["first_time"], row["last_time"], _told(row), depth, min(depth, 1))
        )
        for child in children[key]:
            put(child, depth + 1)

    for row in children[None]:
        put(row, 0)
    for row in rows:  # those in a circle, who come from one another
        put(row, 0)
    return Timeline(
        "Sessions over time",
        f"When the latest {len(lanes)} sessions were at work (UTC); sub-agents stand below their session.",
        tuple(lanes),
    )


def messages(asked: Asked) -> Timeline:
    """One session with its sub-agents, message by message."""
    said = asked.dicts("session_tree_messages")
    there = {row["kind"] for row in said}
    order = [kind for kind in KINDS if kind in there]
    marks: dict[Any, list[Mark]] = defaultdict(list)
    for row in said:
        told = f"{row['time'].strftime('%H:%M:%S')} {KINDS[row['kind']].name}"
        if row["tool"]:
            told += f": {row['tool']}"
        marks[row["tenant"], row["session"]].append(Mark(row["time"], order.index(row["kind"]), told))
    rows = asked.dicts("session_tree")
    lanes = tuple(
        Lane(
            session_name(row), row["first_time"], row["last_time"], _told(row), row["depth"], 0,
            tuple(marks[row["tenant"], row["session"]]),
        )
        for row in rows
        if marks[row["tenant"], row["session"]]
    )  # fmt: skip
    return Timeline(
        f"Message by message: {session_name(rows[0])}" if rows else "Message by message",
        "Every message of this session and its sub-agents, when it was said (UTC).",
        lanes, tuple(KINDS[kind] for kind in order),
    )  # fmt: skip


def _told(row: dict[str, Any]) -> str:
    told = f"{session_name(row)} · {span(row['first_time'], row['last_time'])}, {row['messages']} messages"
    return told if row["cost_usd"] is None else f"{told}, {figure(float(row['cost_usd']), 'USD')}"
