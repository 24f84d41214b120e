"""The bytes of headers and seals: what is written is read, anything else is refused by name."""

from __future__ import annotations

import struct
import uuid
from typing import Any

import pytest

from eventlog.errors import CopiesDisagree, Damaged, FormatTooNew
from eventlog.segment.format import (
    BLOCK_HEADER_BYTES,
    MAX_COUNT,
    MAX_RAW_BYTES,
    MAX_STORED_BYTES,
    BlockHeader,
    FileHeader,
    IndexHeader,
    Invalid,
    Mark,
    Seal,
    TooNew,
    crc32c,
    decode_block_header,
    decode_file_header,
    decode_index_header,
    decode_mark,
    decode_seal,
    encode_block_header,
    encode_file_header,
    encode_index_header,
    encode_mark,
    encode_seal,
)
from eventlog.segment.frames import compress, decompress
from tests.eventlog.segment.building import FIRST, LOG_ID, History, filled, machine, open_store

BLOCK = BlockHeader(b"s" * 16, 700, 5, 600, 3, 2, 90, 200, 11, 12, b"b" * 32, b"a" * 32)
FILE = FileHeader(LOG_ID, b"s" * 16, 7, 8, 9, 1, 1000, 6, b"p" * 32)


def with_crc(data: bytes) -> bytes:
    return data[:-4] + struct.pack("<I", crc32c(data[:-4]))


def test_every_frame_is_read_as_it_was_written() -> None:
    """All fields, at their limits; the CRC is filled in."""
    seal = Seal(b"s" * 16, 2**63, 5, 6, 2**63, 8, 9, 10, 11, b"b" * 32, b"a" * 32, 2**32 - 1)
    index = IndexHeader(b"s" * 16, 800, 90, 4000, 5, 6)
    mark = Mark(uuid.UUID(int=5), 2**63, b"c" * 32)
    assert decode_file_header(encode_file_header(FILE))._replace(crc=0) == FILE
    assert decode_block_header(encode_block_header(BLOCK))._replace(crc=0) == BLOCK
    assert decode_seal(encode_seal(seal))._replace(crc=0) == seal
    assert decode_index_header(encode_index_header(index))._replace(crc=0) == index
    assert decode_mark(encode_mark(mark)) == mark
    assert decode_mark(bytes(68)) is None
    assert decode_mark(b"") is None


@pytest.mark.parametrize(
    "change",
    [
        {"count": 0},
        {"count": MAX_COUNT + 1},
        {"raw_length": 0},
        {"raw_length": MAX_RAW_BYTES + 1},
        {"stored_length": 0},
        {"stored_length": MAX_STORED_BYTES + 1},
        {"durable_offset": 701},
        {"first_position": 0},
    ],
)
def test_a_block_over_a_limit_is_refused_before_its_frame_is_read(change: dict[str, Any]) -> None:
    """A forged length with a right CRC must not cost memory."""
    with pytest.raises(Invalid, match="limits"):
        decode_block_header(encode_block_header(BLOCK._replace(**change)))


def test_a_block_at_the_limits_is_accepted() -> None:
    """The limits themselves are inside."""
    block = BLOCK._replace(
        count=MAX_COUNT, raw_length=MAX_RAW_BYTES, stored_length=MAX_STORED_BYTES, durable_offset=700
    )
    assert decode_block_header(encode_block_header(block))._replace(crc=0) == block


def test_a_frame_that_would_grow_beyond_its_header_is_not_decompressed() -> None:
    """A zip bomb: 64 MiB in 6 kB, under a header that says 100 bytes."""
    bomb = compress(bytes(MAX_RAW_BYTES), 1)
    with pytest.raises(Invalid, match="content size"):
        decompress(bomb, 100)


@pytest.mark.parametrize("frame", [b"", b"\x28\xb5\x2f\xfd", compress(b"abc", 1) + b"x", b"x" * 40])
def test_bytes_that_are_not_one_frame_are_refused(frame: bytes) -> None:
    """Whatever the zstd library says of them."""
    with pytest.raises(Invalid):
        decompress(frame, 3)


def test_a_newer_major_or_an_unknown_incompatible_bit_is_too_new() -> None:
    """Told from damage by the CRC, also when the newer header is longer."""
    with pytest.raises(TooNew, match=r"format 2\.0; this release reads up to 1\.0"):
        decode_file_header(encode_file_header(FILE._replace(major=2)))
    longer = bytearray(encode_file_header(FILE._replace(major=2)) + bytes(100))
    struct.pack_into("<I", longer, 4, len(longer) - 8)
    with pytest.raises(TooNew):
        decode_file_header(with_crc(bytes(longer)) + b"blocks of a kind nobody knows yet")
    with pytest.raises(TooNew, match="0x1;"):
        decode_file_header(encode_file_header(FILE._replace(incompatible=1)))
    altered = bytearray(encode_file_header(FILE))
    altered[16] = 2
    with pytest.raises(Invalid):
        decode_file_header(bytes(altered))


def test_a_newer_minor_and_compatible_bits_are_read() -> None:
    """They are additions by definition."""
    newer = FILE._replace(minor=9, compatible=0xFFFF)
    assert decode_file_header(encode_file_header(newer))._replace(crc=0) == newer


def test_a_file_of_a_newer_format_is_named_with_both_versions() -> None:
    """And nothing in the directory is touched."""
    files = filled(History().commit_many(3), [3]).files("/data/segments")
    header = decode_file_header(files[FIRST][:256])
    for newer in (header._replace(major=3), header._replace(incompatible=2)):
        files[FIRST] = encode_file_header(newer) + files[FIRST][256:]
        io = machine(files)
        with pytest.raises(FormatTooNew, match=r"00000000000000000001\.ndjson\.zst has format.*1\.0"):
            open_store(io)
        assert io.files("/data/segments") == files


def test_segments_of_another_log_are_refused_naming_both() -> None:
    """A directory restored into the wrong place must not be appended to."""
    files = filled(History().commit_many(3), [3]).files("/data/segments")
    other = uuid.UUID(int=1)
    for name in (FIRST, "/data/segments/HEAD"):
        with pytest.raises(CopiesDisagree) as caught:
            open_store(machine({name: files[name]}), log_id=other)
        assert str(other) in str(caught.value)
        assert str(LOG_ID) in str(caught.value)


def test_a_header_under_another_name_is_damage() -> None:
    """The name is part of what must agree; a renamed file is not another part of the log."""
    files = filled(History().commit_many(3), [3]).files("/data/segments")
    renamed = FIRST.replace("1.nd", "4.nd")
    with pytest.raises(Damaged):
        open_store(machine({renamed: files[FIRST]}))
    with pytest.raises(Damaged, match="begins at position 1"):
        open_store(machine({FIRST: files[FIRST], renamed: files[FIRST]}))


def test_blocks_begin_where_the_page_says() -> None:
    """256 bytes of header, then 160 of block header: constants are part of the format."""
    content = filled(History().commit_many(3), [3]).files("/data/segments")[FIRST]
    assert content[:4] == bytes.fromhex("502a4d18")
    assert content[256:260] == bytes.fromhex("512a4d18")
    assert content[256 + BLOCK_HEADER_BYTES :][:4] == bytes.fromhex("28b52ffd")
