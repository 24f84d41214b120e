"""Frames whose CRCs are right and that say what is not so: every lie is named, none is believed."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest
import zstandard

from eventlog.errors import AgentlogError
from eventlog.segment.directory import SegmentDirectory
from eventlog.segment.format import (
    INDEX_HEADER_BYTES,
    MAX_RAW_BYTES,
    MAX_STORED_BYTES,
    SEAL_BYTES,
    IndexHeader,
    Invalid,
    Seal,
    crc32c,
    decode_file_header,
    decode_index_header,
    decode_seal,
    encode_file_header,
    encode_index_header,
    encode_seal,
)
from eventlog.segment.frames import compress, decompress
from eventlog.segment.index import decode_index
from eventlog.segment.verify import verify_segments
from tests.eventlog.segment.building import (
    DIRECTORY,
    FIRST,
    LOG_ID,
    FixedClock,
    History,
    filled,
    machine,
    open_store,
)


def sealed() -> dict[str, bytes]:
    """Return a directory with one segment, which is sealed, and no HEAD."""
    history, clock = History().commit_many(5), FixedClock()
    io = machine(filled(history, [2, 1, 1]).files(DIRECTORY))
    clock.us += 10**12
    store = open_store(io, clock=clock)
    store.append([history.block(4, 5)])
    return {FIRST: io.files(DIRECTORY)[FIRST]}


SEALED = sealed()[FIRST]
SEAL = decode_seal(SEALED[-SEAL_BYTES:])
INDEX = decode_index_header(SEALED[SEAL.index_offset :])
BODY = decode_index(INDEX, SEALED[INDEX.offset + INDEX_HEADER_BYTES : INDEX.end])


def problems(content: bytes) -> str:
    """Return what verify says of a directory that holds this one segment."""
    io = machine({FIRST: content})
    findings = verify_segments(io, SegmentDirectory(DIRECTORY, io), LOG_ID)
    return "; ".join(finding.problem for finding in findings)


def closed_with(index: IndexHeader, body: bytes, seal: Seal | None = None) -> bytes:
    """Return the segment with another end. Without `seal`: the true one, following this index."""
    head = encode_index_header(index)
    crc = int.from_bytes(head[-4:], "little")
    seal = seal or SEAL._replace(offset=SEAL.index_offset + INDEX_HEADER_BYTES + len(body), link=crc)
    return SEALED[: SEAL.index_offset] + head + body + encode_seal(seal)


def with_body(blocks: list[Any], streams: list[Any]) -> bytes:
    """Return the segment with an index that says so."""
    text = msgspec.json.encode({"blocks": blocks, "streams": streams})
    body = compress(text, 3)
    return closed_with(
        INDEX._replace(stored_length=len(body), raw_length=len(text), body_crc=crc32c(body)), body
    )


STORED = SEALED[INDEX.offset + INDEX_HEADER_BYTES : INDEX.end]


def test_the_segment_that_is_forged_is_whole() -> None:
    """Or everything said of it would be said for another reason."""
    assert problems(SEALED) == ""
    assert closed_with(INDEX, STORED) == SEALED
    assert problems(with_body(list(BODY.blocks), list(BODY.streams or []))) == ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"salt": bytes(16)}, "the index belongs to another file or place"),
        ({"offset": 9}, "the index belongs to another file or place"),
        ({"link": 9}, "the index does not follow the last block"),
        ({"body_crc": 9}, "the CRC of the index does not match"),
        ({"raw_length": MAX_RAW_BYTES + 1}, "over the format's limits"),
        ({"stored_length": MAX_STORED_BYTES + 1}, "over the format's limits"),
    ],
)
def test_an_index_that_lies_is_named_and_the_segment_is_not_taken_for_sealed(
    change: dict[str, Any], problem: str
) -> None:
    """Its blocks are read none the less: the index is never needed."""
    content = closed_with(INDEX._replace(**change), STORED)
    assert problem in problems(content)
    with pytest.raises(AgentlogError, match="sealed"):
        open_store(machine({FIRST: content}))


def test_an_index_of_another_length_than_its_frame_is_refused() -> None:
    """Other tools skip it by the frame's length: they must skip to where we go on."""
    head = bytearray(encode_index_header(INDEX))
    struct.pack_into("<I", head, 4, len(STORED))
    struct.pack_into("<I", head, INDEX_HEADER_BYTES - 4, crc32c(bytes(head[:-4])))
    with pytest.raises(Invalid, match="another length"):
        decode_index_header(bytes(head))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"salt": bytes(16)}, "the seal belongs to another file or place"),
        ({"offset": 9}, "the seal belongs to another file or place"),
        ({"index_offset": 256}, "the seal belongs to another file or place"),
        ({"link": 9}, "the seal does not follow the index"),
        ({"last_position": 5}, "the seal does not agree with the blocks"),
        ({"chain_after": bytes(32)}, "the seal does not agree with the blocks"),
        ({"first_position": 2}, "the seal does not say what the segment holds"),
        ({"count": 5}, "the seal does not say what the segment holds"),
        ({"blocks": 2}, "the seal does not say what the segment holds"),
        ({"chain_before": b"x" * 32}, "the seal does not say what the segment holds"),
        ({"first_time_us": 1}, "the seal does not say what the segment holds"),
        ({"last_time_us": 1}, "the seal does not say what the segment holds"),
    ],
)
def test_a_seal_that_lies_is_named(change: dict[str, Any], problem: str) -> None:
    """It speaks for the whole segment to whoever does not read that."""
    assert problem in problems(SEALED[:-SEAL_BYTES] + encode_seal(SEAL._replace(**change)))


def test_an_index_of_other_blocks_or_streams_is_named() -> None:
    """Who seeks by it would land in the wrong place, or miss a stream."""
    blocks, streams = list(BODY.blocks), list(BODY.streams or [])
    assert "the index lists other blocks" in problems(with_body(blocks[1:], streams))
    assert "the index lists other streams" in problems(with_body(blocks, streams[1:]))
    assert problems(with_body([], [])) != ""


def test_a_first_segment_that_names_one_before_it_is_named() -> None:
    """A log whose beginning was taken away must not pass for a whole one."""
    header = decode_file_header(SEALED)._replace(previous_base=1, previous_length=9, previous_last=0)
    assert "which is missing" in problems(encode_file_header(header) + SEALED[256:])


@pytest.mark.parametrize(
    ("checksum", "chain", "base"), [(2, 1, 1), (1, 2, 1), (1, 1, 0)], ids=["checksum", "chain", "base"]
)
def test_a_file_header_with_what_format_1_does_not_have_is_refused(
    checksum: int, chain: int, base: int
) -> None:
    """Another checksum would be computed otherwise; there is no position 0."""
    header = bytearray(SEALED[:256])
    assert header[28:30] == b"\x01\x01"
    header[28:30] = bytes([checksum, chain])
    struct.pack_into("<Q", header, 64, base)
    struct.pack_into("<I", header, 252, crc32c(bytes(header[:252])))
    with pytest.raises(Invalid, match="values format 1 does not have"):
        decode_file_header(bytes(header))


def test_a_seal_is_not_read_as_another_frame_of_its_size() -> None:
    """Block headers have 160 bytes as well; the magic number is under the CRC."""
    with pytest.raises(Invalid, match="there is no seal"):
        decode_seal(SEALED[256 : 256 + SEAL_BYTES])


def test_a_frame_without_a_checksum_of_its_own_is_refused() -> None:
    """The format promises one to every other zstd tool."""
    bare = zstandard.ZstdCompressor(level=1, write_checksum=False).compress(b"abc")
    with pytest.raises(Invalid, match="no checksum"):
        decompress(bare, 3)
