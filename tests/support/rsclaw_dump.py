"""A dump of an rsclaw store, written row by row as the store would have written it. Holds no test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Dump:
    """Writes what the store would have written, as a dump."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[tuple[str, str, Any]] = []

    def row(self, table: str, key: str, value: Any) -> Dump:
        self.rows.append((table, key, value))
        return self

    def meta(self, session: str, count: int, generation: int = 1, **changed: Any) -> Dump:
        meta = {
            "session_key": session, "message_count": count, "last_active": 1_700_000_000,
            "created_at": 1_699_000_000, "generation": generation,
        }  # fmt: skip
        return self.row("session_meta", session, json.dumps({**meta, **changed}))

    def active(self, session: str, seq: int, said: Any) -> Dump:
        return self.row("messages", f"{session}:{seq:016}", json.dumps(said))

    def archived(self, session: str, generation: int, seq: int, said: Any) -> Dump:
        return self.row("messages", f"archive:{session}:gen{generation}:{seq:016}", json.dumps(said))

    def append(self, session: str, generation: int, seq: int, said: Any) -> Dump:
        return self.active(session, seq, said).archived(session, generation, seq, said)

    def write(self, *lines: bytes) -> Path:
        rows = [
            json.dumps({"table": table, "key": key, "value": value}).encode()
            for table, key, value in self.rows
        ]
        self.path.write_bytes(b"\n".join([*rows, *lines]) + b"\n")
        return self.path
