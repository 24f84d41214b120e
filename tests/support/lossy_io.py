"""A file system in memory that loses what was not synced: for crashes driven by one seed.

An Io of one process on a machine whose disk is lossy_disk.py's. `crash` gives the machine after a power
cut, `killed` the one that the next process finds. Knows nothing of segments, and passes the same
contract test as SystemIo.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random

from tests.support.lossy_disk import Directory, File, Node


class PowerCut(Exception):
    """The power went off, or the process was killed. Every call on its Io raises it from then on."""


class _Handle:
    """An open file: the node, how it was opened, and the failed syncs it need not report."""

    __slots__ = ("flags", "node", "reported")

    def __init__(self, node: Node, flags: int) -> None:
        self.node = node
        self.flags = flags
        self.reported = node.failed_syncs if isinstance(node, File) else 0


class Machine:
    """What the processes of one machine share: the disk, and whether the power is on."""

    def __init__(self, root: Directory, random: Random) -> None:
        self.root = root
        self.random = random
        self.is_off = False
        self.next_fd = 1000
        self.lock = threading.RLock()
        self.unlocked = threading.Condition(self.lock)


class LossyIo:
    """An Io on files in memory, of one process.

    Attributes:
        operations: how many calls changed something so far.
        cut_after: the power goes off in the call that makes `operations` reach this number.
        space_bytes: how many bytes may still be added to files before ENOSPC; None: no limit.
        failures: by method name, the errno its calls raise from now on. A sync of a file that fails
            so loses data that the cache goes on showing, as Linux does it.
        changed: called after each call that changed something.
    """

    def __init__(self, random: Random, root: Directory | None = None, machine: Machine | None = None) -> None:
        self.operations = 0
        self.cut_after: int | None = None
        self.space_bytes: int | None = None
        self.failures: dict[str, int] = {}
        self.changed: Callable[[], None] | None = None
        self.machine = machine or Machine(root or Directory(), random)
        self._open: dict[int, _Handle] = {}
        self._ended = False
        self._lock = self.machine.lock

    @classmethod
    def with_files(cls, files: Mapping[str, bytes], random: Random | None = None) -> LossyIo:
        """Return a machine whose disk holds these files, by absolute path."""
        root = Directory()
        for path, content in files.items():
            *parents, name = path.strip("/").split("/")
            directory = root
            for part in parents:
                child = directory.durable.setdefault(part, Directory())
                assert isinstance(child, Directory)
                directory = child
            directory.durable[name] = File(content)
        return cls(random or Random(0), root.after_crash(Random(0)))

    def files(self, directory: str) -> dict[str, bytes]:
        """Return what a reader sees of the files in a directory, by absolute path."""
        node, name = self._parent(directory)
        inside = node.names[name]
        assert isinstance(inside, Directory)
        return {
            f"{directory}/{name}": bytes(file.content)
            for name, file in inside.names.items()
            if isinstance(file, File)
        }

    def crash(self) -> LossyIo:
        """Return the machine after the power came back."""
        with self._lock:
            machine = self.machine
            machine.is_off = True
            return LossyIo(machine.random, machine.root.after_crash(machine.random))

    def killed(self) -> LossyIo:
        """Return the machine as the next process finds it when this one was killed: nothing is lost yet."""
        self.end()
        self.machine.is_off = False  # `cut_after` ended the process alone
        return LossyIo(self.machine.random, machine=self.machine)

    def end(self) -> None:
        """End the process: its descriptors are closed, its locks are free."""
        with self._lock:
            self._ended = True
            for fd, handle in self._open.items():
                if isinstance(handle.node, File):
                    handle.node.locks.pop(fd, None)
            self._open.clear()
            self.machine.unlocked.notify_all()

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        with self._lock:
            self._enter("open")
            directory, name = self._parent(path)
            node = directory.names.get(name) if name else directory
            if node is not None and flags & os.O_CREAT and flags & os.O_EXCL:
                raise _error(errno.EEXIST, path)
            if node is None:
                if not flags & os.O_CREAT:
                    raise _error(errno.ENOENT, path)
                node = File()
                directory.change({name: node})
                self._count()
            is_directory = isinstance(node, Directory)
            if is_directory and flags & (os.O_WRONLY | os.O_RDWR):
                raise _error(errno.EISDIR, path)
            if flags & os.O_DIRECTORY and not is_directory:
                raise _error(errno.ENOTDIR, path)
            if isinstance(node, File) and flags & os.O_TRUNC and node.content:
                node.apply(0, None)
                self._count()
            fd = self.machine.next_fd = self.machine.next_fd + 1
            self._open[fd] = _Handle(node, flags)
            return fd

    def close(self, fd: int) -> None:
        with self._lock:
            self._enter("close")
            node = self._node(fd)
            if isinstance(node, File) and node.locks.pop(fd, None) is not None:
                self.machine.unlocked.notify_all()
            del self._open[fd]

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        with self._lock:
            self._enter("pread")
            return bytes(self._file(fd).content[offset : offset + length])

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        with self._lock:
            self._enter("pwrite")
            file = self._file(fd, writes=True)
            if self.space_bytes is not None:
                grows = max(0, offset + len(data) - len(file.content))
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
        self._sync("fdatasync", fd)

    def fsync(self, fd: int) -> None:
        self._sync("fsync", fd)

    def ftruncate(self, fd: int, length: int) -> None:
        with self._lock:
            self._enter("ftruncate")
            file = self._file(fd, writes=True)
            if self.space_bytes is not None:
                self.space_bytes += len(file.content) - length
            file.apply(length, None)
            self._count()

    def size(self, fd: int) -> int:
        with self._lock:
            self._enter("size")
            return len(self._file(fd).content)

    def rename(self, source: str, target: str) -> None:
        with self._lock:
            self._enter("rename")
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

    def link(self, source: str, target: str) -> None:
        with self._lock:
            self._enter("link")
            (old, old_name), (new, new_name) = self._parent(source), self._parent(target)
            node = old.names.get(old_name)
            if node is None:
                raise _error(errno.ENOENT, source)
            if new_name in new.names:
                raise _error(errno.EEXIST, target)
            new.change({new_name: node})
            self._count()

    def unlink(self, path: str) -> None:
        with self._lock:
            self._enter("unlink")
            directory, name = self._parent(path)
            if not isinstance(directory.names.get(name), File):
                raise _error(errno.ENOENT, path)
            directory.change({name: None})
            self._count()

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        with self._lock:
            self._enter("mkdir")
            directory, name = self._parent(path)
            if name in directory.names:
                raise _error(errno.EEXIST, path)
            directory.change({name: Directory()})
            self._count()

    def listdir(self, path: str) -> list[str]:
        with self._lock:
            self._enter("listdir")
            directory, name = self._parent(path)
            node = directory.names.get(name) if name else directory
            if not isinstance(node, Directory):
                raise _error(errno.ENOENT, path)
            return list(node.names)

    def exists(self, path: str) -> bool:
        with self._lock:
            self._enter("exists")
            try:
                directory, name = self._parent(path)
            except FileNotFoundError:
                return False
            return not name or name in directory.names

    def identity(self, file: int | str) -> tuple[int, int]:
        with self._lock:
            self._enter("identity")
            if isinstance(file, int):
                return 0, self._file(file).inode
            directory, name = self._parent(file)
            node = directory.names.get(name)
            if not isinstance(node, File):
                raise _error(errno.ENOENT, file)
            return 0, node.inode

    def drop_cache(self, fd: int) -> None:
        with self._lock:
            self._enter("drop_cache")
            node = self._node(fd)
            if isinstance(node, File):
                node.drop_cache()

    def lock(self, fd: int, *, exclusive: bool = True, wait: bool = True) -> None:
        with self._lock:
            self._enter("lock")
            locks = self._file(fd).locks
            while any(other != fd and (exclusive or held) for other, held in locks.items()):
                if not wait:
                    raise _error(errno.EWOULDBLOCK, "")
                self.machine.unlocked.wait()
            locks[fd] = exclusive

    def unlock(self, fd: int) -> None:
        with self._lock:
            self._enter("unlock")
            self._file(fd).locks.pop(fd, None)
            self.machine.unlocked.notify_all()

    def free_bytes(self, path: str) -> int:
        with self._lock:
            self._enter("free_bytes")
            return self.space_bytes if self.space_bytes is not None else 2**40

    def _enter(self, name: str) -> None:
        if self._ended or self.machine.is_off:
            raise PowerCut
        if self.failures and name in self.failures:
            raise _error(self.failures[name], name)

    def _sync(self, name: str, fd: int) -> None:
        with self._lock:
            if self.failures and name in self.failures and fd in self._open:
                node = self._open[fd].node
                if isinstance(node, File):
                    node.fail_sync(self.machine.random)
                    self._open[fd].reported = node.failed_syncs
            self._enter(name)
            node = self._node(fd)
            if self._count_before():
                node.sync()
            self._cut()
            # Linux: a failed write-back is told once by each descriptor that was open then.
            if isinstance(node, File) and self._open[fd].reported != node.failed_syncs:
                self._open[fd].reported = node.failed_syncs
                raise _error(errno.EIO, name)

    def _count(self) -> None:
        """Count a change that has been made, and cut the power when its number has come."""
        self.operations += 1
        self._cut()

    def _count_before(self) -> bool:
        """Count a sync; return whether it gets done: if the power goes off in it, perhaps."""
        self.operations += 1
        return self.operations != self.cut_after or self.machine.random.random() < 0.5

    def _cut(self) -> None:
        if self.operations == self.cut_after:
            self.machine.is_off = True
            raise PowerCut
        if self.changed is not None:
            self.changed()

    def _parent(self, path: str) -> tuple[Directory, str]:
        parents, name = _parts(path)
        node: Node | None = self.machine.root
        for part in parents:
            node = node.names.get(part) if isinstance(node, Directory) else None
        if not isinstance(node, Directory):
            raise _error(errno.ENOENT, path)
        return node, name

    def _node(self, fd: int) -> Node:
        handle = self._open.get(fd)
        if handle is None:
            raise _error(errno.EBADF, str(fd))
        return handle.node

    def _file(self, fd: int, *, writes: bool = False) -> File:
        handle = self._open.get(fd)
        if handle is None:
            raise _error(errno.EBADF, str(fd))
        if isinstance(handle.node, Directory):
            raise _error(errno.EISDIR, str(fd))
        if writes and not handle.flags & (os.O_WRONLY | os.O_RDWR):
            raise _error(errno.EBADF, str(fd))
        return handle.node


@lru_cache(maxsize=1024)
def _parts(path: str) -> tuple[list[str], str]:
    """Return the names above a path, and its own."""
    *parents, name = [part for part in path.split("/") if part] or [""]
    return parents, name


def _error(number: int, what: str) -> OSError:
    return OSError(number, os.strerror(number), what)
