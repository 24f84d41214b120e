"""A slice of `make errno`: one error for each call of the segment store, some of a log, few of a repair."""

from __future__ import annotations

import logging

import pytest

from eventlog.embedded.server import EmbeddedPostgres
from tests.reliability import errno_matrix
from tests.reliability.errno_matrix import Cell, each_once
from tests.reliability.report import Report

SEED = 11


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.CRITICAL)


def thinned(step: int, start: int = 0):
    """A choice of cells: every so-manyeth of each call with one error."""

    def choose(some: list[Cell]) -> list[Cell]:
        return each_once(SEED)(some)[start::step]

    return choose


def test_each_failing_call_of_the_segment_store_comes_to_what_is_documented():
    """Nothing told is lost, nothing is half done, and the next process goes on."""
    report = Report("errno", SEED)
    errno_matrix.try_segments(report, each_once(SEED))
    assert report.counts["segments_cells"] > 80
    assert report.failures == []


async def test_a_log_goes_on_by_itself_after_a_call_that_failed(postgres_server: EmbeddedPostgres, tmp_path):
    """Each caller gets a receipt, NotMirrored or a refusal, and that is what stands in the log."""
    report = Report("errno", SEED)
    await errno_matrix.try_log(report, postgres_server, thinned(14), tmp_path)
    assert report.counts["log_cells"] > 8
    assert report.failures == []


async def test_an_interrupted_repair_is_explained_and_finished_by_the_next(
    postgres_server: EmbeddedPostgres, tmp_path
):
    """Nothing is lost on the way."""
    report = Report("errno", SEED)
    await errno_matrix.try_repair(report, postgres_server, thinned(100, 7), tmp_path)
    assert report.counts["repair_cells"] > 2
    assert report.failures == []


def test_an_outcome_that_is_not_documented_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    """Or nothing above would mean anything."""
    report = Report("errno", SEED)
    monkeypatch.setattr(errno_matrix, "documented", lambda cell: {errno_matrix.NOTHING})
    errno_matrix.try_segments(report, thinned(10))
    assert report.failures
