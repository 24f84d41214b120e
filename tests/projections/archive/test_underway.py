"""An archive that closes while it is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from eventlog.errors import Closed
from tests.projections.archive.history import History
from tests.support.questions import ENDLESS


def test_who_closes_an_archive_stops_what_is_asked(tmp_path: Path) -> None:
    """Otherwise DuckDB refuses to close, in words of its own, and the query goes on for hours."""
    history = History()
    history.message("a", "hello")
    archive = history.archive(tmp_path)
    begun = Event()

    def ask() -> None:
        with archive.ask(history.head) as connection:
            begun.set()
            connection.sql(ENDLESS)

    with ThreadPoolExecutor() as threads:
        asked = [threads.submit(ask) for _ in range(3)]
        assert begun.wait(60)
        archive.close()
        for one in asked:
            with pytest.raises(Closed, match="was stopped"):
                one.result(60)
    with archive.ask(history.head) as connection:
        assert connection.sql("select count(*) from messages").rows() == [(1,)]
    archive.close()
