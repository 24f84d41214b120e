"""A file system in memory that loses what was not synced: for crashes driven by one seed.

What a program sees is what it wrote, as with a page cache. `crash` gives the disk after a power
cut: of the writes and truncations since a file's last sync, and of the names since a directory's
last sync, each one is kept, dropped or torn, as the random generator says. It knows nothing of
segments, and passes the same contract test as SystemIo.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random

SECTOR_BYTES = 512


class PowerCut(Exception):
    """The power went off. Every call on this Io raises it from then on."""


class _File:
    """One file: what a reader sees, what is on disk, and what happened in between."""

    def __init__(self, durable: bytes = b"") -> None:
        self.content = bytearray(durable)
        self.durable = durable
        self.pending: list[tuple[int, bytes | None]] = []  # (offset, data), or (length, None): truncated
        self.locks: dict[int, bool] = {}  # descriptor -> exclusive

    def apply(self, offset: int, data: bytes | None) -> None:
        _apply(self.content, offset, data)
        self.pending.append((offset, data))

    def sync(self) -> None:
        self.durable, self.pending = bytes(self.content), []

    def after_crash(self, random: Random) -> bytes:
        content = bytearray(self.durable)
        for offset, data in self.pending:
            fate = random.choice(("kept", "dropped", "torn"))
            if fate == "kept" or (fate == "torn" and data is None):
                _apply(content, offset, data)
            elif fate == "torn" and data is not None:
                for at, piece in _torn(offset, data, random):
                    _apply(content, at, piece)
        return bytes(content)


class _Directory:
    """Names on disk, and what was done to names since: each entry is {name: file or None}."""

    def __init__(self, durable: dict[str, _File | _Directory] | None = None) -> None:
        self.names: dict[str, _File | _Directory] = dict(durable or {})
        self.durable = dict(durable or {})
        self.pending: list[dict[str, _File | _Directory | None]] = []

    def change(self, entry: dict[str, _File | _Directory | None]) -> None:
        _change(self.names, entry)
        self.pending.append(entry)

    def sync(self) -> None:
        self.durable, self.pending = dict(self.names), []

    def let_go(self) -> None:
        """Release all locks, as the end of a process does."""
        for node in self.names.values():
            if isinstance(node, _Directory):
                node.let_go()
            else:
                node.locks.clear()

    def after_crash(self, random: Random) -> _Directory:
        names = dict(self.durable)
        # Half of the time as a journal does it, in order up to some point; otherwise at will.
        if random.random() < 0.5:
            kept = self.pending[: random.randint(0, len(self.pending))]
        else:
            kept = [entry for entry in self.pending if random.random() < 0.5]
        for entry in kept:
            _change(names, entry)
        return _Directory(
            {
                name: node.after_crash(random)
                if isinstance(node, _Directory)
                else _File(node.after_crash(random))
                for name, node in names.items()
            }
        )


class LossyIo:
    """An Io on files in memory.

    Attributes:
        operations: how many calls changed something so far.
        cut_after: the power goes off in the call that makes `operations` reach this number.
        space_bytes: how many bytes may still be added to files before ENOSPC; None: no limit.
        failures: by method name, the errno its calls raise from now on.
    """

    def __init__(self, random: Random, root: _Directory | None = None) -> None:
        self.operations = 0
        self.cut_after: int | None = None
        self.space_bytes: int | None = None
        self.failures: dict[str, int] = {}
        self._random = random
        self._root = root or _Directory()
        self._open: dict[int, tuple[_File | _Directory, int]] = {}
        self._next_fd = 1000
        self._off = False
        self._changed = threading.Condition(threading.RLock())

    @classmethod
    def with_files(cls, files: Mapping[str, bytes], random: Random | None = None) -> LossyIo:
        """Return a machine whose disk holds these files, by absolute path."""
        root = _Directory()
        for path, content in files.items():
            *parents, name = path.strip("/").split("/")
            directory = root
            for part in parents:
                child = directory.durable.setdefault(part, _Directory())
                assert isinstance(child, _Directory)
                directory = child
            directory.durable[name] = _File(content)
        return cls(random or Random(0), root.after_crash(Random(0)))

    def files(self, directory: str) -> dict[str, bytes]:
        """Return what a reader sees of the files in a directory, by absolute path."""
        node, name = self._parent(directory)
        inside = node.names[name]
        assert isinstance(inside, _Directory)
        return {
            f"{directory}/{name}": bytes(file.content)
            for name, file in inside.names.items()
            if isinstance(file, _File)
        }

    def crash(self) -> LossyIo:
        """Return the machine after the power came back."""
        with self._changed:
            self._off = True
            return LossyIo(self._random, self._root.after_crash(self._random))

    def killed(self) -> LossyIo:
        """Return the machine as the next process finds it when this one was killed: nothing is lost yet."""
        with self._changed:
            self._off = True
            self._root.let_go()
            return LossyIo(self._random, self._root)

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        with self._call("open"):
            directory, name = self._parent(path)
            node = directory.names.get(name) if name else directory
            if node is not None and flags & os.O_CREAT and flags & os.O_EXCL:
                raise _error(errno.EEXIST, path)
            if node is None:
                if not flags & os.O_CREAT:
                    raise _error(errno.ENOENT, path)
                node = _File()
                directory.change({name: node})
                self._count()
            writes = flags & (os.O_WRONLY | os.O_RDWR)
            if isinstance(node, _Directory) and writes:
                raise _error(errno.EISDIR, path)
            if isinstance(node, _File) and flags & os.O_DIRECTORY:
                raise _error(errno.ENOTDIR, path)
            if isinstance(node, _File) and flags & os.O_TRUNC and node.content:
                node.apply(0, None)
            self._next_fd += 1
            self._open[self._next_fd] = (node, flags)
            return self._next_fd

    def close(self, fd: int) -> None:
        with self._call("close"):
            node = self._node(fd)
            if isinstance(node, _File):
                node.locks.pop(fd, None)
            del self._open[fd]
            self._changed.notify_all()

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        with self._call("pread"):
            return bytes(self._file(fd).content[offset : offset + length])

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        with self._call("pwrite"):
            file = self._file(fd, writes=True)
            grows = max(0, offset + len(data) - len(file.content))
            if self.space_bytes is not None:
                if grows > self.space_bytes:
                    data = data[: len(data) - (grows - self.space_bytes)]
                    grows = self.space_bytes
                    if not data:
                        raise _error(errno.ENOSPC, "")
                self.space_bytes -= grows
            file.apply(offset, bytes(data))
            self._count()
            return len(data)

    def fdatasync(self, fd: int) -> None:
        with self._call("fdatasync"):
            if self._count_before():
                self._node(fd).sync()
            self._cut()

    def fsync(self, fd: int) -> None:
        with self._call("fsync"):
            if self._count_before():
                self._node(fd).sync()
            self._cut()

    def ftruncate(self, fd: int, length: int) -> None:
        with self._call("ftruncate"):
            file = self._file(fd, writes=True)
            if self.space_bytes is not None:
                self.space_bytes += len(file.content) - length
            file.apply(length, None)
            self._count()

    def size(self, fd: int) -> int:
        with self._call("size"):
            return len(self._file(fd).content)

    def rename(self, source: str, target: str) -> None:
        with self._call("rename"):
            (old, old_name), (new, new_name) = self._parent(source), self._parent(target)
            node = old.names.get(old_name)
            if node is None:
                raise _error(errno.ENOENT, source)
            if old is new:
                old.change({old_name: None, new_name: node})
            else:
                old.change({old_name: None})
                new.change({new_name: node})
            self._count()

    def unlink(self, path: str) -> None:
        with self._call("unlink"):
            directory, name = self._parent(path)
            if not isinstance(directory.names.get(name), _File):
                raise _error(errno.ENOENT, path)
            directory.change({name: None})
            self._count()

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        with self._call("mkdir"):
            directory, name = self._parent(path)
            if name in directory.names:
                raise _error(errno.EEXIST, path)
            directory.change({name: _Directory()})
            self._count()

    def listdir(self, path: str) -> list[str]:
        with self._call("listdir"):
            directory, name = self._parent(path)
            node = directory.names.get(name) if name else directory
            if not isinstance(node, _Directory):
                raise _error(errno.ENOENT, path)
            return list(node.names)

    def exists(self, path: str) -> bool:
        with self._call("exists"):
            try:
                directory, name = self._parent(path)
            except FileNotFoundError:
                return False
            return not name or name in directory.names

    def drop_cache(self, fd: int) -> None:
        with self._call("drop_cache"):
            self._node(fd)

    def lock(self, fd: int, *, exclusive: bool = True, wait: bool = True) -> None:
        with self._call("lock"):
            file = self._file(fd)
            while any(other != fd and (exclusive or held) for other, held in file.locks.items()):
                if not wait:
                    raise _error(errno.EWOULDBLOCK, "")
                self._changed.wait()
            file.locks[fd] = exclusive

    def unlock(self, fd: int) -> None:
        with self._call("unlock"):
            self._file(fd).locks.pop(fd, None)
            self._changed.notify_all()

    def free_bytes(self, path: str) -> int:
        with self._call("free_bytes"):
            return self.space_bytes if self.space_bytes is not None else 2**40

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        with self._changed:
            if self._off:
                raise PowerCut
            if name in self.failures:
                raise _error(self.failures[name], name)
            yield

    def _count(self) -> None:
        """Count a change that has been made, and cut the power when its number has come."""
        self.operations += 1
        self._cut()

    def _count_before(self) -> bool:
        """Count a sync; return whether it gets done: if the power goes off in it, perhaps."""
        self.operations += 1
        return self.operations != self.cut_after or self._random.random() < 0.5

    def _cut(self) -> None:
        if self.operations == self.cut_after:
            self._off = True
            raise PowerCut

    def _parent(self, path: str) -> tuple[_Directory, str]:
        *parents, name = [part for part in path.split("/") if part] or [""]
        node: _File | _Directory | None = self._root
        for part in parents:
            node = node.names.get(part) if isinstance(node, _Directory) else None
        if not isinstance(node, _Directory):
            raise _error(errno.ENOENT, path)
        return node, name

    def _node(self, fd: int) -> _File | _Directory:
        if fd not in self._open:
            raise _error(errno.EBADF, str(fd))
        return self._open[fd][0]

    def _file(self, fd: int, *, writes: bool = False) -> _File:
        node = self._node(fd)
        if isinstance(node, _Directory):
            raise _error(errno.EISDIR, str(fd))
        if writes and not self._open[fd][1] & (os.O_WRONLY | os.O_RDWR):
            raise _error(errno.EBADF, str(fd))
        return node


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    """Write `data` at `offset`, or set the length to `offset`; a gap is zeros."""
    end = offset if data is None else offset + len(data)
    if data is None:
        del content[end:]
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is not None:
        content[offset:end] = data


def _torn(offset: int, data: bytes, random: Random) -> Iterator[tuple[int, bytes]]:
    """Yield what reaches the disk of a write that was cut: a first part, or some of its sectors."""
    if random.random() < 0.5:
        yield offset, data[: random.randint(0, len(data))]
        return
    if random.random() < 0.5:
        yield offset + len(data), b""  # the new length is on disk whatever sectors are
    at = 0
    while at < len(data):
        length = SECTOR_BYTES - (offset + at) % SECTOR_BYTES
        if random.random() < 0.5:
            yield offset + at, data[at : at + length]
        at += length


def _change(names: dict[str, _File | _Directory], entry: dict[str, _File | _Directory | None]) -> None:
    for name, node in entry.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def _error(number: int, what: str) -> OSError:
    return OSError(number, os.strerror(number), what)
