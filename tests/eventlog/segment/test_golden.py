"""Golden files: every format version ever released is read by this release, for ever.

The second half reads them by docs/formats/segment.md alone: zstd, CRC-32C and the offsets on that
page, none of our code. If it breaks, the page and the code no longer agree.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import uuid
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
import zstandard

from eventlog.errors import Damaged, FormatTooNew
from eventlog.io import SystemIo
from tests.eventlog.segment.building import lines_of, open_store

GOLDEN = Path(__file__).parents[2] / "golden" / "segment"
VERSIONS = sorted(path for path in GOLDEN.iterdir() if path.is_dir())


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name)
def test_files_of_every_released_format_are_read(version: Path, tmp_path: Path) -> None:
    """Opened, read, verified, appended to: an old directory is a directory."""
    directory = tmp_path / "segments"
    shutil.copytree(version / "segments", directory)
    expected = json.loads((version / "expected.json").read_text())
    store = open_store(
        SystemIo(), str(directory), log_id=uuid.UUID(expected["log_id"]), witness=expected["head"]
    )
    assert not store.recovery
    assert list(store.verify()) == []
    assert b"".join(lines_of(store)) == (version / "events.ndjson").read_bytes()
    assert (store.head_position, store.head_chain.hex()) == (expected["head"], expected["chain"])
    assert [header.count for header, _ in store.read_raw()] == expected["blocks"]
    store.close()


@pytest.mark.parametrize("major", [0, 2, 255])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "damaged"])
def test_a_damaged_file_is_mistaken_neither_for_an_old_nor_for_a_new_one(
    whole: bool, major: int, tmp_path: Path
) -> None:
    """Only a header whose CRC holds says of which format it is; whatever it is, the file stays as it was."""
    directory = tmp_path / "segments"
    shutil.copytree(VERSIONS[0] / "segments", directory)
    expected = json.loads((VERSIONS[0] / "expected.json").read_text())
    path = max(directory.glob("*.zst"))
    header = bytearray(path.read_bytes())
    header[16] = major
    if whole:
        end = 8 + field(bytes(header), 4, 4)
        header[end - 4 : end] = google_crc32c.value(bytes(header[: end - 4])).to_bytes(4, "little")
    path.write_bytes(header)
    with pytest.raises(FormatTooNew if whole and major > 1 else Damaged):
        open_store(SystemIo(), str(directory), log_id=uuid.UUID(expected["log_id"]))
    assert path.read_bytes() == header


def field(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def checked(data: bytes, length: int) -> bytes:
    """Return a frame's first `length` bytes, whose last four are the CRC of the others."""
    assert field(data, length - 4, 4) == google_crc32c.value(data[: length - 4])
    return data[:length]


class PageReader:
    """docs/formats/segment.md, "Reading a segment", step by step."""

    def __init__(self, log_id: str) -> None:
        self.log_id = uuid.UUID(log_id).bytes
        self.position, self.chain, self.lines = 1, bytes(32), b""
        self.blocks: list[int] = []
        self.previous = (0, 0, 0, bytes(32))

    def segment(self, data: bytes) -> None:
        header = checked(data, 256)
        assert (field(header, 0, 4), field(header, 4, 4)) == (0x184D2A50, 248)
        assert header[8:16] == b"\x89ALG\r\n\x1a\n"
        assert (field(header, 16, 2), field(header, 20, 4)) == (1, 0)
        assert header[28:30] == b"\x01\x01"
        assert header[32:48] == self.log_id
        self.salt, self.base = header[48:64], field(header, 64, 8)
        assert self.base == self.position
        before = (field(header, 88, 8), field(header, 96, 8), field(header, 104, 8), header[112:144])
        assert before == self.previous
        self.link, offset, self.first_chain = header[252:256], 256, self.chain
        self.offsets: list[int] = []
        while offset < len(data) and field(data, offset, 4) == 0x184D2A51:
            offset = self.block(data, offset)
        if offset < len(data):
            self.closing(data, offset)

    def block(self, data: bytes, offset: int) -> int:
        header = checked(data[offset : offset + 160], 160)
        assert field(header, 4, 4) == 152
        assert header[8:24] == self.salt
        assert (field(header, 24, 8), field(header, 32, 8)) == (offset, self.position)
        assert 256 <= field(header, 40, 8) <= offset
        count, stored, raw = (field(header, at, 4) for at in (56, 60, 64))
        assert header[72:76] == self.link
        assert header[80:112] == self.chain
        frame = data[offset + 160 : offset + 160 + stored]
        assert field(header, 68, 4) == google_crc32c.value(frame)
        lines = zstandard.ZstdDecompressor().decompress(frame)
        events = [json.loads(line) for line in lines.split(b"\n")[:-1]]
        assert (len(lines), len(events)) == (raw, count)
        for event in events:
            assert event["position"] == self.position
            self.position += 1
        self.lines += lines
        self.blocks.append(count)
        self.offsets.append(offset)
        self.link, self.chain = header[156:160], header[112:144]
        return offset + 160 + stored

    def closing(self, data: bytes, offset: int) -> None:
        index = checked(data[offset:], 56)
        stored = field(index, 32, 4)
        assert (field(index, 0, 4), field(index, 4, 4)) == (0x184D2A52, 48 + stored)
        assert index[8:24] == self.salt
        assert (field(index, 24, 8), index[44:48]) == (offset, self.link)
        body = data[offset + 56 : offset + 56 + stored]
        assert field(index, 40, 4) == google_crc32c.value(body)
        text = zstandard.ZstdDecompressor().decompress(body)
        assert len(text) == field(index, 36, 4)
        content: dict[str, Any] = json.loads(text)
        assert [block[1] for block in content["blocks"]] == self.offsets
        assert {number for *_, numbers in content["streams"] for number in numbers} == set(
            range(len(self.offsets))
        )
        at = offset + 56 + stored
        seal = checked(data[at:], 160)
        assert (field(seal, 0, 4), field(seal, 4, 4)) == (0x184D2A53, 152)
        assert seal[8:24] == self.salt
        last = self.position - 1
        numbers = struct.unpack_from("<QQQQQI", seal, 24)
        assert numbers == (at, offset, self.base, last, last - self.base + 1, len(self.offsets))
        assert struct.unpack_from("<QQ", seal, 72) == (content["blocks"][0][3], content["blocks"][-1][4])
        assert (seal[88:120], seal[120:152], seal[152:156]) == (self.first_chain, self.chain, index[52:56])
        assert len(data) == at + 160
        self.previous = (self.base, len(data), last, self.chain)


def test_the_page_alone_is_enough_to_read_a_log() -> None:
    """A reader written from docs/formats/segment.md agrees with ours on every field."""
    version = GOLDEN / "v1.0"
    expected = json.loads((version / "expected.json").read_text())
    names = sorted(name for name in os.listdir(version / "segments") if name.endswith(".ndjson.zst"))
    assert len(names) == 2
    reader = PageReader(expected["log_id"])
    for name in names:
        assert int(name[:20]) == reader.position
        reader.segment((version / "segments" / name).read_bytes())
    assert reader.lines == (version / "events.ndjson").read_bytes()
    assert reader.blocks == expected["blocks"]
    assert reader.position - 1 == expected["head"]
    assert reader.chain.hex() == expected["chain"]
    head = (version / "segments" / "HEAD").read_bytes()
    marks = [checked(head[at:], 68) for at in (0, 512)]
    assert max(field(mark, 24, 8) for mark in marks) == expected["head"]
    assert all(mark[:8] == b"ALGHEAD1" and mark[8:24] == reader.log_id for mark in marks)


def test_a_golden_file_is_never_made_again() -> None:
    """Its bytes are the promise: a changed one would test nothing."""
    version = GOLDEN / "v1.0"
    digest = hashlib.sha256()
    for path in sorted(version.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(version).as_posix().encode() + path.read_bytes())
    assert digest.hexdigest() == "5714db5b09e33031270f49a799c3b2749ef4db84159466a6f69bef3b85c71562"
