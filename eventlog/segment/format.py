"""The bytes of a segment's own frames: headers, index header, seal, durable mark. No I/O, no zstd.

    segment := file-header { block } [ index seal ] [ filler ]
    block   := block-header zstd-frame

    frame          magic        bytes            layout below
    file header    0x184D2A50   256              _FILE
    block header   0x184D2A51   160              _BLOCK
    index          0x184D2A52   56 + stored      _INDEX, then a zstd frame of JSON
    seal           0x184D2A53   160              _SEAL
    filler         0x184D2A5F   8 + length       zeros to the end of the file
    HEAD slot      -            68               _MARK, at 0 and 512 of the file HEAD

All are zstd skippable frames: magic, length of what follows, content. Little-endian; CRCs are
CRC-32C. docs/formats/segment.md has every field with its offset and limit; a change here is a
change there first.
"""

from __future__ import annotations

import struct
import uuid
from typing import Any, NamedTuple

import google_crc32c

MAJOR, MINOR = 1, 0
KNOWN_INCOMPATIBLE = 0
KNOWN_COMPATIBLE = 0

FILE_MAGIC = 0x184D2A50
BLOCK_MAGIC = 0x184D2A51
INDEX_MAGIC = 0x184D2A52
SEAL_MAGIC = 0x184D2A53
FILLER_MAGIC = 0x184D2A5F

FILE_HEADER_BYTES = 256
BLOCK_HEADER_BYTES = 160
INDEX_HEADER_BYTES = 56
SEAL_BYTES = 160
FILLER_HEADER_BYTES = 8
SALT_OFFSET = 8  # of the salt within block header, index and seal
MARK_BYTES = 68
MARK_SLOTS = (0, 512)

MAX_COUNT = 65_536
MAX_RAW_BYTES = 64 * 1024 * 1024
MAX_STORED_BYTES = 65 * 1024 * 1024
MAX_LINE_BYTES = 16 * 1024 * 1024 + 1

SIGNATURE = b"\x89ALG\r\n\x1a\n"
MARK_SIGNATURE = b"ALGHEAD1"
CRC32C_ID, SHA256_ID = 1, 1
NO_CHAIN = bytes(32)

_FILE = struct.Struct("<II8sHHIIBB2x16s16sQQQQQQ32s108xI")
_BLOCK = struct.Struct("<II16sQQQQIIIII4x32s32s12xI")
_INDEX = struct.Struct("<II16sQIIII4xI")
_SEAL = struct.Struct("<II16sQQQQQI4xQQ32s32sII")
_MARK = struct.Struct("<8s16sQ32sI")
_CRC = struct.Struct("<I")
_FRAME = struct.Struct("<II")
assert _FILE.size == FILE_HEADER_BYTES
assert _BLOCK.size == BLOCK_HEADER_BYTES
assert _INDEX.size == INDEX_HEADER_BYTES
assert _SEAL.size == SEAL_BYTES
assert _MARK.size == MARK_BYTES


class Invalid(Exception):
    """Bytes that are not what the format says; the text says in what. Internal: callers know where."""


class TooNew(Exception):
    """A file header that is whole, and of a newer major or with an unknown incompatible bit. Internal."""


class FileHeader(NamedTuple):
    """What a segment says of itself and of the one before it. `previous_base` 0: there is none."""

    log_id: uuid.UUID
    segment_id: bytes
    base_position: int
    created_us: int
    epoch: int
    previous_base: int = 0
    previous_length: int = 0
    previous_last: int = 0
    previous_chain: bytes = NO_CHAIN
    incompatible: int = 0
    compatible: int = KNOWN_COMPATIBLE
    major: int = MAJOR
    minor: int = MINOR
    crc: int = 0


class BlockHeader(NamedTuple):
    """What stands before each frame of lines; fields in the order of the file."""

    salt: bytes
    offset: int
    first_position: int
    durable_offset: int
    epoch: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs
    stored_length: int
    raw_length: int
    frame_crc: int
    link: int
    chain_before: bytes
    chain_after: bytes
    crc: int = 0

    @property
    def last_position(self) -> int:
        return self.first_position + self.count - 1

    @property
    def end(self) -> int:
        """Offset after the block's frame."""
        return self.offset + BLOCK_HEADER_BYTES + self.stored_length


class IndexHeader(NamedTuple):
    """What stands before the index's body; fields in the order of the file."""

    salt: bytes
    offset: int
    stored_length: int
    raw_length: int
    body_crc: int
    link: int
    crc: int = 0

    @property
    def end(self) -> int:
        """Offset after the index's body."""
        return self.offset + INDEX_HEADER_BYTES + self.stored_length


class Seal(NamedTuple):
    """The end of a segment: what it holds in all; fields in the order of the file."""

    salt: bytes
    offset: int
    index_offset: int
    first_position: int
    last_position: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs
    blocks: int
    first_time_us: int
    last_time_us: int
    chain_before: bytes
    chain_after: bytes
    link: int
    crc: int = 0

    @property
    def end(self) -> int:
        """Offset after the seal: the length of a sealed segment."""
        return self.offset + SEAL_BYTES


class Mark(NamedTuple):
    """The durable mark: the last position known to have been synced in a directory."""

    log_id: uuid.UUID
    position: int
    chain: bytes


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli, RFC 3720): detects every error of one, two or three bits."""
    return int(google_crc32c.value(data))


def encode_file_header(header: FileHeader) -> bytes:
    """Return the 256 bytes a segment begins with; `header.crc` is computed, not read."""
    return _sealed_with_crc(
        _FILE.pack(
            FILE_MAGIC, FILE_HEADER_BYTES - 8, SIGNATURE, header.major, header.minor,
            header.incompatible, header.compatible, CRC32C_ID, SHA256_ID,
            header.log_id.bytes, header.segment_id, header.base_position, header.created_us, header.epoch,
            header.previous_base, header.previous_length, header.previous_last, header.previous_chain, 0,
        )
    )  # fmt: skip


def decode_file_header(data: bytes) -> FileHeader:
    """Return the header of a segment.

    Raises:
        Invalid: shorter than a header, altered, or no segment at all.
        TooNew: whole, and only a newer release can read the file.
    """
    if len(data) < FILE_HEADER_BYTES:
        raise Invalid(f"the file header has {len(data)} of {FILE_HEADER_BYTES} bytes")
    magic, length = _FRAME.unpack_from(data)
    if magic != FILE_MAGIC or data[8:16] != SIGNATURE:
        raise Invalid("the file does not begin with a segment's signature")
    major, minor = struct.unpack_from("<HH", data, 16)
    # A newer major may have a longer header: its length counts, within what was read.
    end = min(8 + length, len(data))
    if end < FILE_HEADER_BYTES or _CRC.unpack_from(data, end - 4)[0] != crc32c(data[: end - 4]):
        raise Invalid("the file header's CRC does not match")
    if major > MAJOR:
        raise TooNew(f"format {major}.{minor}; this release reads up to {MAJOR}.{MINOR}")
    (incompatible, compatible, checksum, chain, log_id, segment_id, base, created, epoch, previous_base,
     previous_length, previous_last, previous_chain, crc) = _FILE.unpack_from(data)[5:]  # fmt: skip
    if incompatible & ~KNOWN_INCOMPATIBLE:
        raise TooNew(
            f"format {major}.{minor} with incompatible feature bits {incompatible:#x}; "
            f"this release reads format {MAJOR}.{MINOR} and knows the bits {KNOWN_INCOMPATIBLE:#x}"
        )
    if end != FILE_HEADER_BYTES or major != MAJOR or (checksum, chain) != (CRC32C_ID, SHA256_ID) or base < 1:
        raise Invalid("the file header holds values format 1 does not have")
    return FileHeader(
        uuid.UUID(bytes=log_id), segment_id, base, created, epoch,
        previous_base, previous_length, previous_last, previous_chain,
        incompatible, compatible, major, minor, crc,
    )  # fmt: skip


def encode_block_header(header: BlockHeader) -> bytes:
    """Return the 160 bytes that stand before a frame; `header.crc` is computed, not read."""
    return _sealed_with_crc(_BLOCK.pack(BLOCK_MAGIC, BLOCK_HEADER_BYTES - 8, *header[:-1], 0))


def decode_block_header(data: bytes) -> BlockHeader:
    """Return a block header whose CRC and limits are right, or raise Invalid.

    Whether it belongs where it stands (salt, offset, position, links) is for `scanner` to say.
    """
    fields = _unpack(_BLOCK, BLOCK_MAGIC, data, "block header")
    header = BlockHeader._make(fields)
    # Checked before a byte of the frame is read: a forged length must not cost memory.
    if not (
        1 <= header.count <= MAX_COUNT
        and 1 <= header.stored_length <= MAX_STORED_BYTES
        and 1 <= header.raw_length <= MAX_RAW_BYTES
        and header.durable_offset <= header.offset
        and header.first_position >= 1
    ):
        raise Invalid("the block header holds values over the format's limits")
    return header


# The fields of a block header as they stand at an offset, magic and length included; nothing is
# checked. For the one loop that goes over whole segments (scanner.py).
unpack_block_header = _BLOCK.unpack_from


def encode_index_header(header: IndexHeader) -> bytes:
    """Return the 56 bytes before an index's body; `header.crc` is computed, not read."""
    length = INDEX_HEADER_BYTES - 8 + header.stored_length
    return _sealed_with_crc(_INDEX.pack(INDEX_MAGIC, length, *header[:-1], 0))


def decode_index_header(data: bytes) -> IndexHeader:
    """Return an index header whose CRC and limits are right, or raise Invalid."""
    if len(data) < INDEX_HEADER_BYTES:
        raise Invalid("the index is cut off")
    fields = _INDEX.unpack_from(data)
    header = IndexHeader._make(fields[2:])
    if header.crc != crc32c(data[: INDEX_HEADER_BYTES - 4]):
        raise Invalid("the CRC of the index header does not match")
    if fields[0] != INDEX_MAGIC or fields[1] != INDEX_HEADER_BYTES - 8 + header.stored_length:
        raise Invalid("the index has another length than its header says")
    if header.stored_length > MAX_STORED_BYTES or header.raw_length > MAX_RAW_BYTES:
        raise Invalid("the index is over the format's limits")
    return header


def encode_seal(seal: Seal) -> bytes:
    """Return the 160 bytes that close a segment; `seal.crc` is computed, not read."""
    return _sealed_with_crc(_SEAL.pack(SEAL_MAGIC, SEAL_BYTES - 8, *seal[:-1], 0))


def decode_seal(data: bytes) -> Seal:
    """Return a seal whose CRC is right, or raise Invalid."""
    return Seal._make(_unpack(_SEAL, SEAL_MAGIC, data, "seal"))


def encode_mark(mark: Mark) -> bytes:
    """Return the 68 bytes of one slot of HEAD."""
    return _sealed_with_crc(_MARK.pack(MARK_SIGNATURE, mark.log_id.bytes, mark.position, mark.chain, 0))


def decode_mark(data: bytes) -> Mark | None:
    """Return the mark in one slot of HEAD, None for an empty slot, or raise Invalid."""
    if not data.strip(b"\0"):
        return None
    if len(data) < MARK_BYTES:
        raise Invalid("the slot is cut off")
    signature, log_id, position, chain, crc = _MARK.unpack_from(data)
    if signature != MARK_SIGNATURE or crc != crc32c(data[: MARK_BYTES - 4]):
        raise Invalid("the slot's CRC does not match")
    return Mark(uuid.UUID(bytes=log_id), position, chain)


def magic_at(data: bytes) -> int:
    """Return the magic number `data` begins with, 0 when it is shorter than a frame's head."""
    return int(_FRAME.unpack_from(data)[0]) if len(data) >= _FRAME.size else 0


def filler_end(data: bytes, offset: int) -> int:
    """Return the offset after a filler that begins at `offset` with the bytes `data`."""
    return int(offset + FILLER_HEADER_BYTES + _FRAME.unpack_from(data)[1])


def _unpack(layout: struct.Struct, magic: int, data: bytes, name: str) -> tuple[Any, ...]:
    """Check length, magic and CRC of a frame of fixed size; return its fields without the first two."""
    if len(data) < layout.size:
        raise Invalid(f"the {name} is cut off")
    fields = layout.unpack_from(data)
    if fields[-1] != crc32c(data[: layout.size - 4]):
        raise Invalid(f"the CRC of the {name} does not match")
    if fields[0] != magic or fields[1] != layout.size - 8:
        raise Invalid(f"there is no {name}")
    return fields[2:]


def _sealed_with_crc(frame: bytes) -> bytes:
    return frame[:-4] + _CRC.pack(crc32c(frame[:-4]))
