"""What decodes single things: frames of a segment, lines, payloads, notes, configuration, records of imports.

Each target takes any bytes and raises AssertionError, or whatever else escaped, when a decoder breaks
what it promises: only its documented errors, and what it accepts comes back the same. Whole
directories are in directories.py.
"""

from __future__ import annotations

import io
import json
import struct
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from agentlog.configuration import configure
from eventlog.command import Command, KeyNote, key_note, with_key_note
from eventlog.directory import NAME, DataDirectory
from eventlog.envelope import decode_lines, new_event
from eventlog.errors import BadInput, BadPayload, Damaged, FormatTooNew
from eventlog.events import EVENT_TYPES, UnknownEvent, decode_event
from eventlog.grammar import check_json
from eventlog.payload import decode_payload, encode_json, encode_payload, exact_json
from eventlog.segment import format
from eventlog.segment.contents import ContentChecker
from eventlog.segment.format import BlockHeader, IndexHeader, Invalid, TooNew, crc32c
from eventlog.segment.frames import compress, decompress
from eventlog.segment.index import decode_index
from eventlog.strict import strict_json
from projections.archive import manifest
from replay.imports.claude_code import Transcript
from replay.imports.lines import WHITE_SPACE, read_lines
from replay.imports.original import original_record
from replay.imports.record import NotJson
from replay.imports.thread import Thread
from tests.eventlog.segment.building import LOG_ID, STREAM, History
from tests.reliability.fuzz.drawing import Drawing
from tests.support.lossy_io import LossyIo

HISTORY = History().commit("a", {"b": [1, None]}, "\ud800", "x" * 200)
SESSION = "5f2b8a6e-0000-4000-8000-000000000001"


def frames(data: bytes) -> None:
    """Headers, seal, mark: Invalid or TooNew, or what is encoded to the same value again."""
    drawing = Drawing(data)
    encode, decode, length, magic = _FRAMES[drawing.number(len(_FRAMES))]
    is_mended = drawing.number(4)
    frame = drawing.rest()
    if is_mended:  # no fuzzer guesses a CRC
        frame = (magic + frame[len(magic) :]).ljust(length, b"\0")[: length - 4]
        frame += struct.pack("<I", crc32c(frame))
    try:
        found = decode(frame)
    except (Invalid, TooNew):
        return
    if found is not None:
        again = encode(found)
        assert decode(again)._replace(**({"crc": found.crc} if hasattr(found, "crc") else {})) == found


_HEAD = struct.Struct("<II").pack
_FRAMES: list[tuple[Callable[[Any], bytes], Callable[[bytes], Any], int, bytes]] = [
    (format.encode_file_header, format.decode_file_header, 256,
     _HEAD(format.FILE_MAGIC, 248) + format.SIGNATURE),
    (format.encode_block_header, format.decode_block_header, 160, _HEAD(format.BLOCK_MAGIC, 152)),
    (format.encode_index_header, format.decode_index_header, 56, _HEAD(format.INDEX_MAGIC, 48)),
    (format.encode_seal, format.decode_seal, 160, _HEAD(format.SEAL_MAGIC, 152)),
    (format.encode_mark, format.decode_mark, 68, format.MARK_SIGNATURE),
]  # fmt: skip


def zstd(data: bytes) -> None:
    """A frame is Invalid, or exactly as long as was said; never longer."""
    drawing = Drawing(data)
    raw_length = drawing.number(1 << 20)
    with suppress(Invalid):
        assert len(decompress(drawing.rest(), raw_length)) == raw_length


def index(data: bytes) -> None:
    """The body of an index is Invalid, or a table of blocks."""
    header = IndexHeader(bytes(16), 0, 0, len(data), 0, 0)
    with suppress(Invalid):
        decode_index(header, compress(data, 1)).table()


def lines(data: bytes) -> None:
    """Lines that are not the events of a block are told: its chain admits one text alone."""
    count = data.count(b"\n") % 5
    chain = HISTORY.chains[count]
    header = BlockHeader(bytes(16), 0, 1, 0, 0, count, 0, len(data), 0, 0, bytes(32), chain)
    problems = ContentChecker().check(header, data)
    assert problems or data == b"".join(HISTORY.lines[:count])
    with suppress(msgspec.DecodeError):
        for event in decode_lines(data):
            with suppress(BadPayload):
                _ = event.value
            with suppress(ValueError, RecursionError):
                _ = event.metadata


def payload(data: bytes) -> None:
    """JSON text is refused exactly when the standard library refuses it, and comes back exactly."""
    value, is_json = _standard(data)
    try:
        accepted = encode_json(data)
    except BadPayload:
        assert not is_json
        return
    assert is_json
    assert not {0x0A, 0x0D} & set(accepted.line)
    if accepted.encoding is None:
        msgspec.json.decode(accepted.line)
    else:
        assert exact_json(*accepted) == data
    assert _standard(exact_json(*accepted)) == (value, True)
    strict = strict_json(exact_json(*accepted))
    assert encode_json(strict).encoding is None
    with suppress(BadPayload):  # nested more deeply than Python builds values
        again = decode_payload(*accepted)
        assert decode_payload(*encode_payload(again)) == again


def _standard(data: bytes) -> tuple[Any, bool]:
    """What the standard library makes of JSON text: numbers as they are written, members in order."""
    try:
        text = data.decode()
        check_json(text)
        is_ours = True
    except ValueError:
        is_ours = False
    try:
        value = json.loads(
            data.decode(),
            parse_int=str,
            parse_float=str,
            parse_constant=_no_constant,
            object_pairs_hook=tuple,
        )
    except ValueError:
        assert not is_ours
        return None, False
    except RecursionError:
        return None, is_ours
    assert is_ours
    return value, True


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def strict(data: bytes) -> None:
    """Any text at all gives some text; the decoder behind it says what is wrong."""
    assert isinstance(strict_json(data), bytes)


def vocabulary(data: bytes) -> None:
    """Decoding an event is total: another shape, another encoding and a later schema are UnknownEvent."""
    drawing = Drawing(data)
    name = list(EVENT_TYPES)[drawing.number(len(EVENT_TYPES))]
    schema = drawing.number(3)
    encoding = (None, None, "base64", "rot13")[drawing.number(4)]
    found = decode_event(name, schema, drawing.rest(), encoding)
    assert isinstance(found, UnknownEvent | EVENT_TYPES[name])  # type: ignore[operator]


def note(data: bytes) -> None:
    """A key's note is read as it was written; other `meta` has none, whatever it holds."""
    found = key_note(data)
    assert found is None or isinstance(found, KeyNote)
    with suppress(UnicodeDecodeError):
        key = data.decode().replace("\0", "")[:120]
        event = new_event(STREAM, "said", 1, id=str(uuid.UUID(int=1)), meta=b'{"a":1}')
        noted = with_key_note(Command([event], idempotency_key=key))
        assert key_note(noted.events[0].meta) == KeyNote(key, 1)


def configuration(data: bytes) -> None:
    """The environment gives a configuration or BadInput, and no password is shown."""
    drawing = Drawing(data)
    name = _VARIABLES[drawing.number(len(_VARIABLES))]
    value = drawing.rest().decode(errors="replace")
    with suppress(BadInput):
        repr(configure(environment={name: value}))
    try:
        said = repr(configure(postgres=f"postgresql://user:s3cr3t@{value}", environment={}))
    except BadInput as error:
        said = str(error)
    assert "s3cr3t" not in said


_VARIABLES = [
    "AGENTLOG_POSTGRES", "AGENTLOG_TENANT", "AGENTLOG_DATA", "AGENTLOG_ZSTD_LEVEL", "AGENTLOG_SCHEMA",
    "AGENTLOG_DURABILITY", "AGENTLOG_POLL_INTERVAL_S", "AGENTLOG_SEGMENT_BYTES_MAX",
]  # fmt: skip


def small_files(data: bytes) -> None:
    """agentlog.json and the archive's manifest read, or are Damaged or too new."""
    with suppress(Damaged, FormatTooNew):
        DataDirectory(Path("/data"), LossyIo.with_files({f"/data/{NAME}": data}))
    with suppress(Damaged, FormatTooNew):
        manifest.decode(data, str(LOG_ID))


def transcript(data: bytes) -> None:
    """A file is cut into lines without gap; a record comes back exactly, or is refused as no JSON."""
    limit = 40 + len(data) % 1000
    offset, convert = 0, Transcript(Thread(SESSION, SESSION, None, None), "").convert
    for number, line in enumerate(read_lines(io.BytesIO(data), limit), 1):
        assert (line.number, line.offset) == (number, offset)
        span = data[offset : (offset := offset + line.length_bytes)]
        assert span.endswith(b"\n") == line.ended
        assert span.count(b"\n") == line.ended
        if line.content is None:
            assert len(span) > limit
            continue
        ending = b"\r\n" if span.endswith(b"\r\n") else b"\n" if line.ended else b""
        mark = b"\xef\xbb\xbf" if number == 1 and span.startswith(b"\xef\xbb\xbf") else b""
        assert mark + line.content + ending == span
        if not line.content.strip(WHITE_SPACE):
            continue
        try:
            converted = convert(line.content, number)
        except NotJson:
            assert not _standard(line.content)[1]
            continue
        with suppress(RecursionError, BadPayload):  # nested more deeply than Python builds values
            value = json.loads(line.content)
            records = [original_record(event, session=SESSION) for event in converted.events]
            assert [found for found in records if found is not None] == ([] if value is None else [value])
    assert offset == len(data)
