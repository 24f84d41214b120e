"""The lines of a block as one zstd frame, and back. The only place that touches zstd.

Compressor and decompressor objects are kept per thread: sharing one between threads crashes the
interpreter. Lengths are checked before anything is decompressed.
"""

from __future__ import annotations

import threading

import zstandard

from eventlog.segment.format import MAX_STORED_BYTES, Invalid

_thread = threading.local()


def compress(content: bytes, level: int) -> bytes:
    """Return `content` as one zstd frame with its content size and checksum."""
    compressors: dict[int, zstandard.ZstdCompressor] | None = getattr(_thread, "compressors", None)
    if compressors is None:
        compressors = _thread.compressors = {}
    compressor = compressors.get(level)
    if compressor is None:
        compressor = compressors[level] = zstandard.ZstdCompressor(
            level=level, write_checksum=True, write_content_size=True
        )
    frame = compressor.compress(content)
    assert len(frame) <= MAX_STORED_BYTES, "zstd grows content by less than one part in 128"
    return frame


def decompress(frame: bytes, raw_length: int) -> bytes:
    """Return the content of exactly one frame that must be `raw_length` bytes long, or raise Invalid."""
    try:
        # The content size is what zstd will allocate: compared before, so that a forged frame
        # cannot grow beyond the limit its header was checked against.
        if zstandard.frame_content_size(frame) != raw_length:
            raise Invalid("the frame's content size is not the raw length of its header")
        # Bits of the frame header descriptor (RFC 8878, 3.1.1.1.1): checksum, dictionary id.
        if frame[4] & 0b111 != 0b100:
            raise Invalid("the frame has no checksum, or needs a dictionary")
        return _decompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Invalid(f"the frame cannot be decompressed: {error}") from error


def _decompressor() -> zstandard.ZstdDecompressor:
    decompressor: zstandard.ZstdDecompressor | None = getattr(_thread, "decompressor", None)
    if decompressor is None:
        decompressor = _thread.decompressor = zstandard.ZstdDecompressor()
    return decompressor
