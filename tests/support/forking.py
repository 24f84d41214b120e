"""A claim tested in a forked child of the test's process. Holds no test."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable


def true_in_a_child(claim: Callable[[], bool]) -> bool:
    """Fork, and return what `claim` says there. The child ends without any cleaning up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and forks do not mix: what this tests
        child = os.fork()
    if child == 0:
        status = 2
        try:
            status = 0 if claim() else 1
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0
