"""Content that has broken logs, databases, parsers and terminals; any program may hand it in. Holds no test.

CONTENTS are JSON values and JSON texts (Raw) that the log must keep to the byte, REFUSED is what it must
refuse before anything is written, IMAGES are bytes that look like the log's own files, NAMES are keys and
tenants.
"""

from __future__ import annotations

import base64
from typing import Any

import zstandard
from msgspec import Raw

from eventlog.segment.format import FILLER_MAGIC
from tests.eventlog.segment.building import DIRECTORY, FixedClock, History, machine, open_store


def images() -> dict[str, bytes]:
    """Return files and frames as a log writes them, whole and in pieces, and of other formats."""
    io, clock = machine(), FixedClock()
    history = History().commit_many(6, size=300)
    store = open_store(io, clock=clock)
    store.append(history.blocks(0, [1, 2]))
    clock.us += 10**12  # the segment is too old: the next append seals it
    store.append(history.blocks(3, [1, 2]))
    store.close()
    files = io.files(DIRECTORY)
    sealed, newest = sorted(path for path in files if path.endswith(".zst"))
    return {
        "sealed segment": files[sealed],
        "open segment": files[newest],
        "block": files[newest][256:],
        "seal": files[sealed][-160:],
        "durable mark": files[f"{DIRECTORY}/HEAD"],
        "filler": FILLER_MAGIC.to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(63) + b"x",
        "zstd frame": zstandard.compress(b'{"position":1}\n' * 50),
        "skippable frames": b"".join(
            bytes([low, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]) for low in range(0x50, 0x60)
        ),
        "copy stream": b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\x00\x02\x00\x00\x00\x04abcd\xff\xff\n\\.\n",
        "gzip": bytes.fromhex("1f8b08000000000000ff") + b"\x00" * 20,
    }  # fmt: skip


IMAGES = images()


def as_text(image: bytes) -> list[str]:
    """Return the ways in which programs put bytes into a string: one of them holds lone surrogates."""
    return [
        image.decode("latin-1"),
        image.decode("utf-8", "surrogateescape"),
        image.decode(errors="replace"),
        base64.b64encode(image).decode(),
    ]


CONTENTS: list[Any] = [
    *({"image": as_text(image), name: len(image)} for name, image in IMAGES.items()),
    "\n\r\n\u2028\u2029\u0085\x0b\x0c\x1c\x1d\x1e\ufeff",
    "\x00", {"\x00": "\x00" * 300}, "\\u0000", "\\\\u0000", "\x00\\x00\\.",
    "\ud800", "\udfff\ud800", {"\udc80": ["\ud83d", "\ude00\ud83d"]},
    "".join(map(chr, range(32))) * 40, "\x1b[2J\x1b]0;title\x07", "\u202e\u200b\ufffd\uffff\U0010ffff",
    "'; DROP TABLE events; --", "{schema} $1 %s %(a)s :a ${IFS} $(touch /tmp/x) `id`",
    '"\\"}]}\n{"position":1}',
    10**4_299, -(10**300), 12345678901234567890, 2**63, -(2**63) - 1, -0.0, 5e-324, 1.7976931348623157e308,
    Raw(b"1.10"), Raw(b"1e400"), Raw(b"-1E-9999"), Raw(b"9" * 10_000), Raw(b"0." + b"3" * 5_000),
    Raw(b'{"a":1,"a":2,"\\u0061":3}'), Raw(b'{"":{"":{}}}'), Raw(b'\r\n{"a" :\t[ 1 , "\\/" ] }\n'),
    *(Raw(b"[" * depth + b"]" * depth) for depth in (127, 128, 129, 5_000)),
    Raw(b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    [], {}, "", None, [None] * 1_000, {str(number): number for number in range(2_000)},
]  # fmt: skip

REFUSED: list[Any] = [
    float("nan"), [float("inf")], {"a": float("-inf")}, Raw(b"NaN"), Raw(b"[Infinity]"), Raw(b'"\xff"'),
    Raw(b'"\xed\xa0\x80"'), Raw(b"\xef\xbb\xbf1"), Raw("1".encode("utf-16")), Raw(b"1\x00"), Raw(b'"\x01"'),
    Raw(b"[" * 5_000), Raw(b'{"a":1}{"a":1}'), Raw(IMAGES["block"]), object(), {(1, 2): 3},
    10**4_300,
]  # fmt: skip

NAMES = [
    "'; DROP TABLE events; --", '"quoted"', "$(touch /tmp/x) `id` ; rm -rf .", "../../etc/passwd",
    "a\nb\r\x1b[2J",
    "\u2028\u0085", "{schema}", "%s $1 :a", "\\", "\\N", "🙂" * 64, "NULL", "%", "_",
]  # fmt: skip
