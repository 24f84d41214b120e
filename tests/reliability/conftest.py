"""Fixtures for reliability tests: those of the log's own tests."""

from __future__ import annotations

from tests.eventlog.conftest import admin, opened, proxy, short_path

__all__ = ["admin", "opened", "proxy", "short_path"]
