"""Asks a server whether it takes connections, by making one. Reads nothing else and needs no driver.

The start of the Postgres protocol, version 3.0 (PostgreSQL manual, "Message Flow"), spoken over the Unix
socket: a startup message, then the server's answer up to ReadyForQuery or ErrorResponse.

    message := type (1 byte)  length (int32, counts itself)  body        the startup message has no type
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import NamedTuple

PROTOCOL = 3 << 16
LONGEST_MESSAGE_BYTES = 30_000
_HEAD = struct.Struct(">ci")


class Answer(NamedTuple):
    """What the server said.

    Attributes:
        ready: a connection works, or would if one were free.
        sqlstate: of its refusal; empty when nobody listens.
        message: its refusal in its own words, or the system's.
    """

    ready: bool
    sqlstate: str = ""
    message: str = ""

    @property
    def wait(self) -> bool:
        """Might it become ready by itself? While nobody listens, or it starts, recovers, stops (57P03)."""
        return not self.ready and self.sqlstate in ("", "57P03")


def probe(path: str, *, role: str, database: str, limit_s: float = 5.0) -> Answer:
    """Connect once to the socket at `path` and say what came back. Never raises for what the server does."""
    body = b"user\0%b\0database\0%b\0application_name\0agentlog probe\0\0" % (
        role.encode(),
        database.encode(),
    )
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(limit_s)
            connection.connect(path)
            connection.sendall(struct.pack(">ii", len(body) + 8, PROTOCOL) + body)
            answer = _read_answer(connection)
            with contextlib.suppress(OSError):  # it has answered; this only keeps its log quiet
                connection.sendall(_HEAD.pack(b"X", 4))  # Terminate
            return answer
    except OSError as error:
        return Answer(False, message=str(error))


def _read_answer(connection: socket.socket) -> Answer:
    while True:
        kind, length = _HEAD.unpack(_read(connection, 5))
        if not 4 <= length <= LONGEST_MESSAGE_BYTES:
            return Answer(
                False, sqlstate="08P01", message=f"a message of {length} bytes is no Postgres answer"
            )
        body = _read(connection, length - 4)
        match kind:
            case b"E":
                fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
                sqlstate, message = fields.get(b"C", ""), fields.get(b"M", "")
                # All connections are in use: whoever can say that is up.
                return Answer(sqlstate == "53300", sqlstate, message)
            case b"R" if body != b"\0\0\0\0":  # it wants a password: this is not a server we configured
                return Answer(False, sqlstate="28000", message="the server asks for a password")
            case b"Z":
                return Answer(True)


def _read(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            raise ConnectionResetError("the server closed the connection")
        data += part
    return data
