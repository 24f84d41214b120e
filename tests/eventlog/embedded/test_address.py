"""Every socket has a path that fits into an address."""

from __future__ import annotations

import os

from eventlog.embedded.address import Address


def test_a_short_path_is_used_as_it_is_and_a_long_one_through_a_descriptor(tmp_path):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with Address("/short") as short, Address(str(deep)) as long:
        assert short.directory == "/short"
        assert len(long.socket) < 100
        assert os.path.samefile(long.directory, deep)
