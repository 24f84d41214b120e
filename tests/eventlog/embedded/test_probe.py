"""What a server answers to a first knock is understood."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from eventlog.embedded.probe import probe


def message(kind, body):
    return kind + struct.pack(">i", len(body) + 4) + body


@pytest.mark.parametrize(
    ("said", "ready", "wait", "text"),
    [
        (message(b"R", bytes(4)) + message(b"S", b"a\0b\0") + message(b"Z", b"I"), True, False, ""),
        (message(b"E", b"SFATAL\0C57P03\0Mstarting up\0\0"), False, True, "starting up"),
        (message(b"E", b"SFATAL\0C53300\0Mtoo many clients\0\0"), True, False, "too many clients"),
        (message(b"E", b"SFATAL\0C28000\0Mpeer failed\0\0"), False, False, "peer failed"),
        (message(b"R", b"\0\0\0\x0a"), False, False, "the server asks for a password"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, False, "is no Postgres answer"),
        (b"", False, True, "closed the connection"),
    ],
)
def test_what_a_server_answers_is_understood(tmp_path, said, ready, wait, text):
    """A server at the end of its startup, in recovery, full, foreign, or dying."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(said)

        server = threading.Thread(target=answer)
        server.start()
        got = probe(path, role="r", database="d")
        server.join()
    assert (got.ready, got.wait) == (ready, wait)
    assert text in got.message


def test_nobody_listening_is_worth_waiting_for(tmp_path):
    answer = probe(str(tmp_path / "nothing"), role="r", database="d")
    assert (answer.ready, answer.wait) == (False, True)
