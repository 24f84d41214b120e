"""A file as numbered spans of bytes, in bounded memory. What the bytes mean is not looked at.

Only LF ends a line, and one CR before it belongs to the ending: U+2028 and the like are content.
A byte order mark at the start of the file is no content either. The spans cover the file: each
starts where the one before it ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from eventlog.envelope import MAX_EVENT_BYTES

# What an event adds to the line it comes from: its key, its other fields, a title.
OVERHEAD_BYTES = 16 * 1024
LINE_BYTES_MAX = MAX_EVENT_BYTES - OVERHEAD_BYTES

# What may stand between two JSON values. Nothing else counts as a blank line.
WHITE_SPACE = b" \t\r\n"

_SKIP_BYTES = 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One line of a file.

    Attributes:
        number: counted from 1.
        offset: of its first byte in the file.
        length_bytes: with its ending.
        content: without its ending; None when it is longer than the limit and was not kept.
        ended: whether an LF ends it; only the last line of a file may lack it.
    """

    number: int
    offset: int
    length_bytes: int
    content: bytes | None
    ended: bool


def read_lines(file: BinaryIO, limit_bytes: int = LINE_BYTES_MAX) -> Iterator[Line]:
    """Yield the lines of `file` from its beginning, holding no more than one of them.

    Raises OSError as the file does.
    """
    offset = number = 0
    while chunk := file.readline(limit_bytes + len(b"\r\n")):
        number += 1
        content: bytes | None = _without_ending(chunk)
        if number == 1 and chunk.startswith(_BYTE_ORDER_MARK):
            content = _without_ending(chunk)[len(_BYTE_ORDER_MARK) :]
        length = len(chunk)
        ended = chunk.endswith(b"\n")
        if len(_without_ending(chunk)) > limit_bytes:
            content = None
            while not ended and (rest := file.readline(_SKIP_BYTES)):
                length += len(rest)
                ended = rest.endswith(b"\n")
        yield Line(number, offset, length, content, ended)
        offset += length


def _without_ending(chunk: bytes) -> bytes:
    if not chunk.endswith(b"\n"):
        return chunk
    return chunk[:-2] if chunk.endswith(b"\r\n") else chunk[:-1]
