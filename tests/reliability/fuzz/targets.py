"""The targets by name, each with inputs to begin with. What they check: decoders.py, directories.py."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from eventlog.segment.format import FILE_HEADER_BYTES
from tests.eventlog.segment.building import FIRST, LOG_ID
from tests.reliability.fuzz import decoders, directories
from tests.reliability.fuzz.decoders import HISTORY


class Target(NamedTuple):
    """A property of any bytes, and some bytes from which interesting ones are made.

    `run` raises AssertionError, or what escaped, when the property does not hold.
    """

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]


def _programs(count: int) -> list[bytes]:
    """Lists of alterations; one number after the other is drawn from them, so that any bytes will do."""
    drawn = random.Random(count)
    return [drawn.randbytes(length) for length in range(4, 4 + 4 * count, 4)]


# Inputs that a run found a fault with, by target. Each is a seed, and tried by every test run.
_LINE = HISTORY.lines[0]
_DEEP = b"[" * 5000 + b"]" * 5000
FOUND = {
    "index": [
        b'{"blocks":[],"streams":[["acme","session","\xff",[0]]]}',  # not UTF-8
        b'{"blocks":[[-1,256,1,1,1]],"streams":null}',  # an array of unsigned numbers takes none below zero
        b'{"x":%b,"blocks":[],"streams":null}' % _DEEP,
    ],
    "lines": [
        _LINE.replace(b'Z"', b'"'),  # a time without its zone
        _LINE.replace(b'"version":1', b'"version":%b' % (b"1" * 90)),  # beyond the chain's int64
        _LINE.replace(b'"data":"a"', b'"data":%b' % _DEEP),
        _LINE.replace(b'"acme"', b'"\xff"'),
    ],
    "note": [b'{"idempotency":{"key":"\xff","events":1}}', b'{"idempotency":null,"x":%b}' % _DEEP],
    "small_files": [b'{"format":1,"x":%b}' % _DEEP],
}

_SEGMENT = directories.REFERENCES[0][FIRST]
_JSON = [
    b'{"a":[1,-0.5e-7,"\\ud800",null],"a":{}}', b'[1e400,"\\u0000\\u2028",12345678901234567890]',
    b"[" * 130 + b"]" * 130,
    b' {"k" : "\xe2\x80\xa8 \xf0\x9f\x98\x80"}\r\n', b"\xef\xbb\xbf1", b'"\xff"', b"NaN", b"9" * 5000,
]  # fmt: skip
_RECORDS = [
    b'{"type":"user","uuid":"a","sessionId":"s","timestamp":"2026-11-22T07:44:36Z",'
    b'"message":{"role":"user","content":"hi"}}',
    b'{"type":"assistant","message":{"role":"assistant","id":"m","usage":{"input_tokens":1},"content":[]}}',
    b'{"type":"summary","summary":"s","leafUuid":"u"}\n{"type":"queue-operation","operation":"enqueue"}',
    b'{"type":"system","subtype":"compact_boundary","compactMetadata":{"trigger":"auto","preTokens":5}}',
]
_ARCHIVE = b'{"format":1,"log_id":"%b","head":0,"files":[]}' % str(LOG_ID).encode()
_INDEX = msgspec.json.encode({"blocks": [[1, 256, 1, 1, 1]], "streams": [["acme", "session", "one", [0]]]})

_TARGETS = {
    "directory": Target(directories.directory, _programs(20)),
    "forged": Target(directories.forged, _programs(20)),
    "frames": Target(
        decoders.frames,
        [bytes([kind, mended]) + _SEGMENT[at:][:256] for at in (0, FILE_HEADER_BYTES) for kind in range(5)
         for mended in (0, 1)],
    ),
    "zstd": Target(
        decoders.zstd,
        [b"\x00\x10\x00" + _SEGMENT[416:][:400], b"\xff\xff\x0f\x28\xb5\x2f\xfd\xa4\x00\x00\x10\x00"],
    ),
    "index": Target(decoders.index, [_INDEX, b'{"blocks":[],"streams":null}']),
    "lines": Target(decoders.lines, [*HISTORY.lines, b"".join(HISTORY.lines)]),
    "payload": Target(decoders.payload, _JSON),
    "strict": Target(decoders.strict, _JSON),
    "vocabulary": Target(
        decoders.vocabulary, [bytes([kind, 1, 0]) + text for kind in range(14) for text in _JSON[:2]]
    ),
    "note": Target(decoders.note, [b'{"idempotency":{"key":"k","events":1}}', "ключ\u2028".encode()]),
    "configuration": Target(
        decoders.configuration, [bytes([kind]) + b"localhost:5432/db?sslmode=require" for kind in range(8)]
    ),
    "small_files": Target(decoders.small_files, [_ARCHIVE, b'{"format":1,"id":"%b"}' % str(LOG_ID).encode()]),
    "transcript": Target(decoders.transcript, [*_RECORDS, b"\n".join(_RECORDS), b"\xef\xbb\xbf{}\r\n\x00"]),
}  # fmt: skip
TARGETS = {
    name: target._replace(seeds=[*target.seeds, *FOUND.get(name, ())]) for name, target in _TARGETS.items()
}
