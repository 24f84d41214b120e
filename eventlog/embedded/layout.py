"""Names every file of one embedded server. Touches none of them, and imports only the standard library.

    <data_dir>/postgres/                0700, owned by the user the server runs as
        cluster/                        the database cluster (PGDATA): a rename of a finished `cluster.new/`
        cluster.new/                    an initdb under way, or one that was killed: worthless
        socket/                         0700; the socket and its lock file; emptied before each start
        server.log, server.log.1        the server's own words; rotated at a start when long
        start.lock                      flock, exclusive: who may create, start or stop the server
        holders.lock                    flock, shared: one per attachment, dropped by the kernel on kill -9
        watcher.lock                    flock, exclusive: held by the one watcher for its life

No lock file is ever deleted: two processes that lock two inodes of one name would not see each other.
"""

from __future__ import annotations

import os
from typing import NamedTuple

PORT = 5432  # only the last part of the socket's name: nothing listens on TCP
ROLE = "agentlog"
DATABASE = "postgres"
LONGEST_SOCKET_BYTES = 103  # sockaddr_un: 107 on Linux, 103 on macOS


class Layout(NamedTuple):
    """The directory of one embedded server, `<data_dir>/postgres`, as an absolute path."""

    root: str

    @property
    def cluster(self) -> str:
        return os.path.join(self.root, "cluster")

    @property
    def unfinished_cluster(self) -> str:
        return os.path.join(self.root, "cluster.new")

    @property
    def socket_directory(self) -> str:
        return os.path.join(self.root, "socket")

    @property
    def log(self) -> str:
        return os.path.join(self.root, "server.log")

    @property
    def pid_file(self) -> str:
        return os.path.join(self.cluster, "postmaster.pid")

    @property
    def start_lock(self) -> str:
        return os.path.join(self.root, "start.lock")

    @property
    def holders_lock(self) -> str:
        return os.path.join(self.root, "holders.lock")

    @property
    def watcher_lock(self) -> str:
        return os.path.join(self.root, "watcher.lock")


def socket_name(directory: str) -> str:
    """The socket's path, as Postgres and its clients build it from the directory."""
    return f"{directory}/.s.PGSQL.{PORT}"
