"""Opens files of the server's directory so that they belong to the directory's owner. Writes nothing."""

from __future__ import annotations

import os


def open_owned(path: str, flags: int) -> int:
    """Open or create a file, 0600, owned by whoever owns the directory it is in; return its descriptor.

    Root may open the directory of an ordinary user. What root makes there must not lock its owner out.

    Raises:
        OSError: also (ELOOP) when a symbolic link is in its place: as root we would follow it anywhere.
    """
    fd = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    if os.geteuid() == 0:
        file, directory = os.fstat(fd), os.stat(os.path.dirname(path))
        if file.st_uid != directory.st_uid and file.st_nlink == 1:
            os.fchown(fd, directory.st_uid, directory.st_gid)
    return fd
