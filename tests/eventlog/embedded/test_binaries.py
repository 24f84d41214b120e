"""The programs are found, or their absence is explained."""

from __future__ import annotations

import pytest

from eventlog.embedded import binaries
from eventlog.embedded.binaries import VARIABLE, find_binaries
from eventlog.errors import EmbeddedPostgresError


def test_a_directory_without_the_programs_is_refused_by_name(tmp_path):
    binaries.find_binaries.cache_clear()
    with pytest.raises(EmbeddedPostgresError, match=str(tmp_path)):
        find_binaries(str(tmp_path))


def test_a_variable_chooses_the_programs(monkeypatch):
    found = find_binaries()
    monkeypatch.setenv(VARIABLE, found.directory)
    binaries.find_binaries.cache_clear()
    assert find_binaries() == found
    binaries.find_binaries.cache_clear()
