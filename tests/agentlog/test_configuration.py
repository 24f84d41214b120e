"""Where a log is and how it is opened."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from agentlog.configuration import configure, shown, unknown_variables, variable
from agentlog.errors import BadInput
from eventlog.settings import Settings

SECRET = "pa55word"


def test_an_argument_wins_over_a_variable_and_a_variable_over_the_default():
    """In this order, for everything that can be given in several ways."""
    environment = {"AGENTLOG_DATA": "/from/variable", "AGENTLOG_TENANT": "acme", "AGENTLOG_ZSTD_LEVEL": "7"}

    assert configure("/given", environment=environment).data == Path("/given")
    assert configure(environment=environment).data == Path("/from/variable")
    assert configure(environment={"X": "1"}).data == Path.cwd() / "data"
    assert configure(tenant="", environment=environment).tenant == ""
    assert configure(environment=environment).tenant == "acme"
    assert configure(environment=environment).settings.zstd_level == 7
    assert configure(settings=Settings(zstd_level=3), environment=environment).settings.zstd_level == 3


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_every_setting_can_be_given_as_a_variable(field):
    """A setting that only code can reach is out of reach for the command line."""
    value = {str: "postgres", int: "4096", float: "2.5"}[field.type]
    if field.name in ("zstd_level", "retries_max"):
        value = "4"
    found = configure(environment={variable(field.name): value}).settings

    assert getattr(found, field.name) == field.type(value)


def test_a_preset_stands_below_single_variables():
    """AGENTLOG_PRESET changes defaults, and nothing that somebody set by name."""
    environment = {"AGENTLOG_PRESET": "small, high_throughput", "AGENTLOG_READ_CONNECTIONS_MAX": "3"}
    found = configure(environment=environment).settings
    assert (found.cached_streams_max, found.batch_events_max, found.read_connections_max) == (10_000, 128, 3)
    with pytest.raises(BadInput, match="preset"):
        configure(environment={"AGENTLOG_PRESET": "huge"})


@pytest.mark.parametrize("value", ["many", "1.5", "-3"])
def test_a_variable_that_cannot_be_a_setting_is_named(value):
    """Whoever set it must find it."""
    with pytest.raises(BadInput, match=r"(?i)batch_events_max"):
        configure(environment={"AGENTLOG_BATCH_EVENTS_MAX": value})


def test_an_empty_variable_counts_as_unset():
    """`AGENTLOG_POSTGRES= agentlog …` is how a shell takes a variable away."""
    assert configure(environment={"AGENTLOG_POSTGRES": "", "AGENTLOG_DATA": ""}).postgres is None


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{SECRET}@db.example:6432/agents",
        f"postgres://ann:{SECRET}@db.example/agents?sslmode=require",
        f"postgresql://db.example/agents?user=ann&password={SECRET}",
        f"postgresql://ann:{SECRET}%40x@[::1]:5432/agents",
    ],
)
def test_a_password_is_never_shown(url):
    """Not in status, not in repr, not in a log line that somebody makes of it."""
    configuration = configure(postgres=url, environment={"X": "1"})

    assert SECRET not in repr(configuration) + configuration.shown_postgres + str(configuration)
    assert "agents" in configuration.shown_postgres
    assert shown(None) == "embedded"


@pytest.mark.parametrize(
    "url", [f"postgresql://ann:{SECRET}/x@db.example/agents", f"ann:{SECRET}@db", f"mysql://a:{SECRET}@db/x"]
)
def test_a_url_that_cannot_be_read_is_refused_without_quoting_it(url):
    """A slash in a password makes the rest of it look like a port, and the parser would say it."""
    with pytest.raises(BadInput) as caught:
        configure(postgres=url, environment={"X": "1"})

    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_misspelt_variable_is_found():
    """It would be ignored silently."""
    environment = {"AGENTLOG_TENNANT": "x", "AGENTLOG_TENANT": "x", "AGENTLOG_POSTGRES_BIN": "y", "HOME": "/"}

    assert unknown_variables(environment) == ["AGENTLOG_TENNANT"]
