"""Read forged sizes in a process that is short of memory: python -m tests.reliability.bombs

Everything has right CRCs, as only an enemy writes it. Each must end in a named error, or in the few events it
holds, before MEMORY_BYTES are used; what the format allows is 64 MiB a block and what its events take.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import zstandard

from eventlog.errors import AgentlogError
from eventlog.io import SystemIo
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import (
    BLOCK_HEADER_BYTES,
    MAX_RAW_BYTES,
    MAX_STORED_BYTES,
    BlockHeader,
    crc32c,
    decode_block_header,
    encode_block_header,
)
from eventlog.segment.verify import verify_segments
from replay.imports.lines import read_lines
from tests.eventlog.segment.building import LOG_ID, History, open_store

MEMORY_BYTES = 768 * 1024 * 1024
HUGE = 2**32 - 1


def bombs(block: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of blocks to stand in the place of `block`."""
    header = decode_block_header(block)
    frame = block[BLOCK_HEADER_BYTES:]
    compress = zstandard.ZstdCompressor(level=1, write_checksum=True).compress
    zeros = compress(bytes(MAX_RAW_BYTES))
    line = (
        b'{"position":1,"tenant":"","stream":{"kind":"","key":""},"version":1,"type":"","schema":1,"id":"",'
    )
    line += b'"time":"","data":0,"meta":0}\n'
    lines = line * (MAX_RAW_BYTES // len(line))
    yield "64 MiB of zeros", forged(header, zeros, MAX_RAW_BYTES)
    yield "64 MiB of the shortest lines", forged(header, compress(lines), len(lines))
    yield "64 MiB of one line", forged(header, compress(b"[" * MAX_RAW_BYTES), MAX_RAW_BYTES)
    yield "a frame that says a terabyte", forged(header, lying(zeros, 2**40), MAX_RAW_BYTES)
    yield (
        "a frame that says less than it holds",
        forged(header, lying(zeros, header.raw_length), header.raw_length),
    )
    yield "a frame that says more than it holds", forged(header, lying(frame, MAX_RAW_BYTES), MAX_RAW_BYTES)
    yield "a frame of no known length", forged(header, unsized(bytes(MAX_RAW_BYTES)), MAX_RAW_BYTES)
    yield "a header that says 4 GiB raw", forged(header, frame, HUGE)
    yield (
        "a header that says 4 GiB stored",
        forged(header._replace(stored_length=HUGE), frame, 100, keep=True),
    )
    yield (
        "a header that says 65 MiB stored",
        forged(header._replace(stored_length=MAX_STORED_BYTES), frame, 100, keep=True),
    )
    yield "a header that counts four billion", forged(header._replace(count=HUGE), frame, header.raw_length)


def forged(header: BlockHeader, frame: bytes, raw_length: int, *, keep: bool = False) -> bytes:
    """Return a block whose CRCs are right; with `keep`, the stored length is left as the header says."""
    stored = header.stored_length if keep else len(frame)
    header = header._replace(stored_length=stored, raw_length=raw_length, frame_crc=crc32c(frame))
    return encode_block_header(header) + frame


def lying(frame: bytes, length: int) -> bytes:
    """Return a frame with another content size, of eight bytes (RFC 8878, 3.1.1.1)."""
    parameters = zstandard.get_frame_parameters(frame)
    descriptor = frame[4]
    sizes = {0: 1 if descriptor & 0x20 else 0, 1: 2, 2: 4, 3: 8}
    at = 5 + (0 if descriptor & 0x20 else 1)
    rest = frame[at + sizes[descriptor >> 6] :]
    assert parameters.has_checksum
    return frame[:4] + bytes([descriptor | 0xC0]) + frame[5:at] + struct.pack("<Q", length) + rest


def unsized(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1, write_checksum=True, write_content_size=False).compress(content)


def read_everything(directory: str) -> str:
    """Verify a directory, then open and read it; return what was said first."""
    io = SystemIo()
    said = [finding.problem for finding in verify_segments(io, SegmentDirectory(directory, io), LOG_ID)]
    try:
        store = open_store(io, directory)
        try:
            said += [f"{len(events)} events" for events in store.read()]
        finally:
            store.close()
    except AgentlogError as error:
        said.append(str(error))
    return said[0]


def main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with tempfile.TemporaryDirectory(prefix="agentlog-bombs-") as place:
        path = Path(place, "first")
        store = open_store(SystemIo(), str(path))
        store.append([History().commit("a").block(0, 1)])
        store.close()
        segment = next(path.glob("*.zst")).read_bytes()
        for number, (name, block) in enumerate(bombs(segment[256:])):
            directory = Path(place, f"{number}")
            directory.mkdir()
            Path(directory, "00000000000000000001.ndjson.zst").write_bytes(segment[:256] + block)
            print(f"{name}: {read_everything(str(directory))[:90]}", flush=True)
        long = Path(place, "long.jsonl")
        long.touch()
        os.truncate(long, 2**30)  # of zeros, on one line
        with long.open("rb") as file:
            (found,) = read_lines(file)
        assert found.content is None
        assert found.length_bytes == 2**30
    return 0


if __name__ == "__main__":
    sys.exit(main())
