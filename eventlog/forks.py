"""Has this process been forked? A count that is larger in a child; comparing it costs no system call.

`os.getpid()` would do as well, at a system call per append.
"""

from __future__ import annotations

import os

_count = 0


def _forked() -> None:
    global _count
    _count += 1


os.register_at_fork(after_in_child=_forked)


def forks() -> int:
    """How many forks lie between the first process and this one, since this module was imported."""
    return _count
