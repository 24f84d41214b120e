"""What closes a segment: the index (which block holds what) and the seal (what the segment holds in all).

The index is made as blocks are appended, so that closing a segment does not read it again; blocks
of other processes are read once at closing. An index can always be rebuilt and is never trusted
without its CRC. Bytes are laid out in format.py; nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, NamedTuple

import msgspec

from eventlog.envelope import Stream, StreamId, time_to_us
from eventlog.segment.format import (
    INDEX_HEADER_BYTES,
    MAX_RAW_BYTES,
    BlockHeader,
    FileHeader,
    IndexHeader,
    Invalid,
    Seal,
    crc32c,
    encode_index_header,
    encode_seal,
)
from eventlog.segment.frames import compress, decompress
from eventlog.segment.scanner import BlockTable

_INDEX_ZSTD_LEVEL = 3
_Unsigned = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class BlockEntry(NamedTuple):
    """One block in the index. Times are those of its first and last event, in microseconds."""

    first_position: _Unsigned
    offset: _Unsigned
    count: _Unsigned  # type: ignore[assignment]  # hides tuple.count, which nobody needs
    first_time_us: int
    last_time_us: int


class Index(msgspec.Struct, frozen=True):
    """The index as stored: one JSON object. `streams` is None when it would not have fit."""

    blocks: list[BlockEntry]
    streams: list[tuple[str, str, str, list[int]]] | None

    def table(self) -> BlockTable:
        """Return first positions and offsets, for seeking."""
        table = BlockTable()
        for block in self.blocks:
            table.add(block.first_position, block.offset)
        return table


class Contents(NamedTuple):
    """What the index needs to know of a block; times are those of its first and last event."""

    streams: Collection[StreamId]
    first_time_us: int
    last_time_us: int


class _Place(msgspec.Struct, frozen=True, gc=False):
    """The fields of a line an index needs; msgspec skips the others without building them."""

    tenant: str
    stream: Stream
    time: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Index)
_places = msgspec.json.Decoder(_Place)


def contents_of(lines: bytes) -> Contents:
    """Return the contents of a block from its lines. Raises ValueError: one is not an event."""
    places = _places.decode_lines(lines)
    streams = {StreamId(place.tenant, place.stream.kind, place.stream.key) for place in places}
    return Contents(streams, time_to_us(places[0].time), time_to_us(places[-1].time))


class IndexBuilder:
    """Collects what the index of the open segment will say."""

    def __init__(self) -> None:
        self._blocks: dict[int, BlockEntry] = {}  # by first position
        self._streams: dict[StreamId, set[int]] = {}  # first positions of blocks

    def add(self, header: BlockHeader, contents: Contents) -> None:
        """Take in one block."""
        first = header.first_position
        times = contents.first_time_us, contents.last_time_us
        self._blocks[first] = BlockEntry(first, header.offset, header.count, *times)
        for stream in contents.streams:
            self._streams.setdefault(stream, set()).add(first)

    def forget(self, first_position: int) -> None:
        """Drop a block that was cut off again."""
        if self._blocks.pop(first_position, None) is not None:
            for blocks in self._streams.values():
                blocks.discard(first_position)

    def knows(self, first_position: int) -> bool:
        return first_position in self._blocks

    def build(self) -> Index:
        """Return the index of all blocks taken in."""
        numbers = {first: number for number, first in enumerate(sorted(self._blocks))}
        return Index(
            [self._blocks[first] for first in numbers],
            [
                (*stream, sorted(numbers[first] for first in blocks))
                for stream, blocks in self._streams.items()
                if blocks
            ],
        )


def encode_index(index: Index, *, salt: bytes, offset: int, link: int) -> tuple[IndexHeader, bytes]:
    """Return the index as a frame that begins at `offset`, with its header for the seal to follow."""
    text = _encoder.encode(index)
    if len(text) > MAX_RAW_BYTES:
        text = _encoder.encode(Index(index.blocks, None))
    body = compress(text, _INDEX_ZSTD_LEVEL)
    header = IndexHeader(salt, offset, len(body), len(text), crc32c(body), link)
    frame = encode_index_header(header)
    return header._replace(crc=int.from_bytes(frame[INDEX_HEADER_BYTES - 4 :], "little")), frame + body


def decode_index(header: IndexHeader, body: bytes) -> Index:
    """Return the index from its stored body, or raise Invalid."""
    try:
        return _decoder.decode(decompress(body, header.raw_length))
    except (ValueError, RecursionError) as error:  # not JSON, not an index, not UTF-8
        raise Invalid(f"the index cannot be read: {error}") from error


def encode_seal_after(header: IndexHeader, index: Index, file: FileHeader, chain_after: bytes) -> bytes:
    """Return the seal that belongs behind an index."""
    first, last = index.blocks[0], index.blocks[-1]
    return encode_seal(
        Seal(
            salt=header.salt,
            offset=header.end,
            index_offset=header.offset,
            first_position=first.first_position,
            last_position=last.first_position + last.count - 1,
            count=sum(block.count for block in index.blocks),
            blocks=len(index.blocks),
            first_time_us=first.first_time_us,
            last_time_us=last.last_time_us,
            chain_before=file.previous_chain,
            chain_after=chain_after,
            link=header.crc,
        )
    )
