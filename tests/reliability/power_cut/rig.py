"""A disk that can lose power, and real file systems on it: started, formatted, mounted, let go of.

Knows nothing of logs. Everything happens in a mount and a process namespace of its own (`__main__`),
so the kernel takes back every mount, loop device and process, however the run ends.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

MIB = 1024 * 1024
SHARED = "shared"
START_MAX_S = 20.0
UNMOUNT_MAX_S = 30.0


class FileSystem(NamedTuple):
    """A kind of file system: how it is made and mounted. Discards are off: a disk may refuse them."""

    name: str
    make: tuple[str, ...]
    options: str


# -m 0: no blocks kept for root, so that full is full for us.
_MAKE_EXT4 = ("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "nodiscard")
FILE_SYSTEMS = {
    "ext4": FileSystem("ext4", _MAKE_EXT4, "data=ordered,noinit_itable,nodiscard"),
    "ext4-writeback": FileSystem("ext4", _MAKE_EXT4, "data=writeback,noinit_itable,nodiscard"),
    "xfs": FileSystem("xfs", ("mkfs.xfs", "-q", "-f", "-K"), "nodiscard"),
    "btrfs": FileSystem("btrfs", ("mkfs.btrfs", "-q", "-f", "-K"), "nodiscard"),
}
PROGRAMS = ("setpriv", "unshare", "mount", "umount", "losetup")


def missing(kinds: Iterable[str] = FILE_SYSTEMS) -> list[str]:
    """Return what this machine lacks for a run, in words; empty when nothing."""
    if os.geteuid() != 0:
        return ["root: only root can mount"]
    lacks = [path for path in ("/dev/fuse", "/dev/loop-control") if not os.path.exists(path)]
    programs = dict.fromkeys((*PROGRAMS, *(FILE_SYSTEMS[kind].make[0] for kind in kinds)))
    lacks += [program for program in programs if shutil.which(program) is None]
    done = subprocess.run([sys.executable, "-c", "import mfusepy"], capture_output=True, check=False)
    return lacks + (["mfusepy with libfuse"] if done.returncode else [])


class NotMounted(Exception):
    """A file system does not find its way out of what a cut left of it."""


class Disk:
    """A running disk process.

    Attributes:
        file: what a loop device is put on.
    """

    def __init__(self, directory: Path, process: subprocess.Popen[bytes]) -> None:
        self.file = directory / "disk"
        self._control = os.open(directory / "control", os.O_RDWR | os.O_CLOEXEC)
        self._process = process

    def moments_ns(self) -> list[int]:
        """Return when the disk answered each write and flush since the recording began, or the cut."""
        found = array("q")
        found.frombytes((self.file.parent / "moments").read_bytes())
        return found.tolist()

    def spoilt(self) -> int:
        """Return how many writes were made to fail."""
        return int((self.file.parent / "spoilt").read_bytes())

    def begin(self) -> None:
        """Let the recording begin here."""
        self._order(do="begin")

    def cut(self, at: int, seed: int, depth: int, atom_bytes: int) -> None:
        """Cut the power after `at` operations of a recording; from here on the disk holds what is left.

        `depth` 0 is the recording since `begin`, 1 what was written after its cut, and so on. Nothing
        may be mounted.
        """
        self._order(do="cut", at=at, seed=seed, depth=depth, atom=atom_bytes)

    def spoil(self, marker: bytes) -> None:
        """Let the next write that holds these bytes fail with EIO."""
        self._order(do="spoil", bytes=marker.hex())

    def _order(self, **order: Any) -> None:
        os.pwrite(self._control, json.dumps(order).encode(), 0)

    def keep(self, path: Path) -> None:
        """Copy the disk as it is now, holes left out."""
        command("cp", "--sparse=always", str(self.file), str(path))

    def close(self) -> None:
        os.close(self._control)
        subprocess.run(["umount", str(self.file.parent)], check=False)
        try:
            self._process.wait(START_MAX_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def make_workplace(base: Path) -> None:
    """Cover a directory with a tmpfs of these namespaces, and make the place where disks appear."""
    command("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(base))
    (base / SHARED).mkdir()
    command("mount", "-t", "tmpfs", "tmpfs", str(base / SHARED))
    command("mount", "--make-shared", str(base / SHARED))


@contextmanager
def new_disk(base: Path, length_bytes: int) -> Iterator[Disk]:
    """Start an empty disk in a workplace; stop it at the end.

    It lives in a mount namespace of its own, which shares nothing but the place of the disk: were it
    the last one in ours, then its own end would unmount the file system on it, and wait for itself.
    """
    directory = base / SHARED / "fuse"
    directory.mkdir(exist_ok=True)
    module = "tests.reliability.power_cut.disk"
    process = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "unchanged",
         sys.executable, "-m", module, str(directory), str(length_bytes)],
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + START_MAX_S
    while not (directory / "control").exists():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise RuntimeError(f"the disk did not start in {directory} (status {process.poll()})")
        time.sleep(0.01)
    disk = Disk(directory, process)
    try:
        yield disk
    finally:
        disk.close()


def make_file_system(disk: Disk, kind: str) -> None:
    """Format the disk and begin the recording."""
    command(*FILE_SYSTEMS[kind].make, str(disk.file))
    disk.begin()


@contextmanager
def mounted(disk: Disk, kind: str, place: Path) -> Iterator[Path]:
    """Mount the disk's file system at `place`, which is made; its journal is replayed if need be.

    Raises:
        NotMounted: the file system refuses.
    """
    place.mkdir(exist_ok=True)
    system = FILE_SYSTEMS[kind]
    try:
        command("mount", "-t", system.name, "-o", f"loop,{system.options}", str(disk.file), str(place))
    except subprocess.CalledProcessError as error:
        raise NotMounted(f"{system.name} refuses: {error.stderr.strip()}") from error
    try:
        place.chmod(0o755)  # so that the server, which is not root, gets through
        yield place
    finally:
        unmount(place)


def unmount(place: Path) -> None:
    """Unmount, which also gives the loop device back; waits for a process that is about to end."""
    end = time.monotonic() + UNMOUNT_MAX_S
    while True:
        done = subprocess.run(["umount", str(place)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        if time.monotonic() > end:
            raise RuntimeError(f"{place} stays mounted: {done.stderr.strip()}")
        time.sleep(0.01)


def command(*arguments: str) -> str:
    """Run a program; its words are in the exception when it fails."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return done.stdout
