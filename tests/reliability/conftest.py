"""Fixtures for reliability tests: those of the log's own tests, and of replay's."""

from __future__ import annotations

from tests.eventlog.conftest import admin, opened, proxy, short_path
from tests.replay.conftest import spoiled

__all__ = ["admin", "opened", "proxy", "short_path", "spoiled"]
