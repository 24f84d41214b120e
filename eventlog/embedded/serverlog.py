"""Keeps and quotes the server's own log, <data_dir>/postgres/server.log. Writes no line of its own."""

from __future__ import annotations

import os

from eventlog.embedded.files import open_owned
from eventlog.errors import EmbeddedPostgresError

LOG_BYTES_MAX = 8 * 1024 * 1024
# What the server writes whenever we ask before it is ready.
KNOCKING = "FATAL:  the database system is "
TAIL_LINES = 15
TAIL_BYTES = 64 * 1024


class ServerLog:
    """The log of one server, with the place where the current start began.

    Attributes:
        path: the file.
        offset: its length when this start began, in bytes.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.offset = self.size()

    def size(self) -> int:
        try:
            return os.stat(self.path).st_size
        except FileNotFoundError:
            return 0

    def begin(self) -> None:
        """Before a start: move a long log aside, make sure there is one, remember where it ends."""
        if self.size() > LOG_BYTES_MAX:
            os.replace(self.path, self.path + ".1")
        os.close(open_owned(self.path, os.O_WRONLY | os.O_APPEND))
        self.offset = self.size()

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines that were written since this start began."""
        try:
            with open(self.path, "rb") as file:
                file.seek(max(self.offset, self.size() - TAIL_BYTES))
                return last_lines(file.read().decode(errors="replace"), lines)
        except FileNotFoundError:
            return ""

    def news(self) -> str:
        """The last line that our own knocking did not cause; empty if there is none yet."""
        lines = self.tail(TAIL_BYTES).split("\n")
        return next((line for line in reversed(lines) if KNOCKING not in line), "")

    def failure(self, message: str) -> EmbeddedPostgresError:
        """Return an error that quotes the server."""
        words = self.tail()
        return EmbeddedPostgresError(
            f"{message}; its last words in {self.path}:\n{words or '(none)'}\n",
            hint="mend what it names and open the log again; if the cluster is damaged, "
            "`agentlog restore postgres` builds a new one from the segments",
            log=self.path,
            last_words=words,
        )


def last_lines(text: str, lines: int = TAIL_LINES) -> str:
    return "\n".join(text.strip().split("\n")[-lines:])
