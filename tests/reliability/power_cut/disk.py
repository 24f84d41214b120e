"""The process that is the disk: one file in a FUSE file system, recorded, and a file to give it orders.

    python -m tests.reliability.power_cut.disk MOUNTPOINT BYTES

    MOUNTPOINT/disk      the disk: a loop device is put on it
    MOUNTPOINT/control   a JSON object written here is an order
    MOUNTPOINT/moments   when each operation of the recording was answered: 64-bit CLOCK_MONOTONIC, in ns
    MOUNTPOINT/spoilt    how many writes were made to fail

Single-threaded, so that orders, writes and flushes have one order. A process of its own: whoever waits
for the file system must not be the one who serves it.
"""

from __future__ import annotations

import errno
import json
import stat
import sys
import time
from array import array
from random import Random
from typing import Any

import mfusepy

from tests.reliability.power_cut.recording import Recording


class Disk(mfusepy.Operations):  # type: ignore[misc]  # mfusepy has no types of a base class
    """The FUSE file system. Its last recording is what the disk serves; the ones before were cut."""

    use_ns = True

    def __init__(self, length_bytes: int) -> None:
        self.length_bytes = length_bytes
        self.recordings = [Recording()]
        self.spoil = b""  # a write that holds these bytes fails, once
        self.spoilt = 0

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path not in ("/disk", "/control", "/moments", "/spoilt"):
            raise mfusepy.FuseOSError(errno.ENOENT)
        length = self.length_bytes if path == "/disk" else 0
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": length}

    def open(self, path: str, flags: int) -> int:
        return 0

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        return 0  # mkfs sets the length that the file has anyway

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        if path == "/moments":
            return array("q", self.recordings[-1].moments_ns).tobytes()[offset : offset + size]
        if path == "/spoilt":
            return str(self.spoilt).encode()[offset : offset + size]
        length = min(size, self.length_bytes - offset)
        return self.recordings[-1].written.read(offset, length) if length > 0 else b""

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        if path == "/control":
            self.obey(json.loads(data))
        elif self.spoil and self.spoil in data:
            self.spoil, self.spoilt = b"", self.spoilt + 1
            raise mfusepy.FuseOSError(errno.EIO)
        else:
            self.recordings[-1].write(offset, data, at_ns=time.monotonic_ns())
        return len(data)

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        if path == "/disk":
            self.recordings[-1].flush(at_ns=time.monotonic_ns())
        return 0

    def obey(self, order: dict[str, Any]) -> None:
        """Do what was written to `control`."""
        match order:
            case {"do": "begin"}:
                # What was written before (mkfs) is not part of what can be lost.
                self.recordings = [Recording(self.recordings[-1].written)]
            case {"do": "cut", "at": at, "seed": seed, "depth": depth, "atom": atom_bytes}:
                # The recording at `depth` loses power; what was made from earlier cuts of it goes.
                del self.recordings[depth + 1 :]
                image = self.recordings[depth].cut(at, Random(seed), atom_bytes)
                self.recordings.append(Recording(image))
            case {"do": "spoil", "bytes": text}:
                self.spoil = bytes.fromhex(text)
            case _:
                raise mfusepy.FuseOSError(errno.EINVAL)


def main() -> None:
    mountpoint, length = sys.argv[1], int(sys.argv[2])
    mfusepy.FUSE(Disk(length), mountpoint, foreground=True, nothreads=True, direct_io=True, fsname="powercut")


if __name__ == "__main__":
    main()
