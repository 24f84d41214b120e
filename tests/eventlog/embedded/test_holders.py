"""Locks count the holders, and nothing but locks."""

from __future__ import annotations

import threading

import pytest

from eventlog.embedded.holders import LockFile, is_last


def test_the_last_holder_is_known_by_the_locks_alone(tmp_path):
    first, second = LockFile(str(tmp_path / "lock")), LockFile(str(tmp_path / "lock"))
    assert first.try_lock(exclusive=False)
    assert second.try_lock(exclusive=False)
    assert not is_last(first)
    first.close()
    assert is_last(second)
    second.close()


def test_a_lock_is_not_taken_through_a_symbolic_link(tmp_path):
    """As root we would make or own a file anywhere."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        LockFile(str(tmp_path / "lock"))
    assert not (tmp_path / "elsewhere").exists()


def test_waiting_for_a_lock_ends_with_its_limit_and_with_a_cancellation(tmp_path):
    first, second = LockFile(str(tmp_path / "lock")), LockFile(str(tmp_path / "lock"))
    assert first.try_lock(exclusive=True)
    assert not second.lock(exclusive=True, limit_s=0.01)
    stop = threading.Event()
    stop.set()
    assert not second.lock(exclusive=True, stop=stop)
    first.close()
    assert second.lock(exclusive=True)
    second.close()
