"""Gives the socket's directory a path short enough to connect to. Makes no connection.

The address of a Unix socket holds 107 bytes (103 on macOS), and a data directory may be deeper than that.
The server has no trouble: it names the socket relative to its working directory. A client with a long
path uses `/proc/<own pid>/fd/<n>`, a descriptor of the directory: nothing is made in a shared temporary
directory, so nobody can sit there before us. Where there is no /proc (macOS) a symbolic link in a new
private directory with a random name does the same.
"""

from __future__ import annotations

import os
import shutil
import tempfile

from eventlog.embedded.layout import LONGEST_SOCKET_BYTES, socket_name


class Address:
    """A path to the socket's directory for this process, as long as it is open.

    Attributes:
        directory: what a client is given as `host`.
    """

    def __init__(self, socket_directory: str) -> None:
        self.directory = socket_directory
        self._fd = -1
        self._link_directory = ""
        if len(os.fsencode(socket_name(socket_directory))) <= LONGEST_SOCKET_BYTES:
            return
        if os.path.isdir("/proc/self/fd"):
            flags = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(socket_directory, flags | getattr(os, "O_PATH", os.O_RDONLY))
            self.directory = f"/proc/{os.getpid()}/fd/{self._fd}"
        else:
            self._link_directory = tempfile.mkdtemp(prefix="agentlog-")  # 0700, ours
            self.directory = os.path.join(self._link_directory, "s")
            os.symlink(socket_directory, self.directory)

    @property
    def socket(self) -> str:
        return socket_name(self.directory)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        if self._link_directory:
            shutil.rmtree(self._link_directory, ignore_errors=True)
            self._link_directory = ""

    def __enter__(self) -> Address:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
