"""A slice of `make fuzz` by hypothesis, for machines without atheris; and every input that found a fault."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reliability.fuzz.directories import REFERENCES, opened
from tests.reliability.fuzz.targets import FOUND, TARGETS

# Targets that open whole directories, at some milliseconds each.
SLOW = {"directory": 25, "forged": 25, "configuration": 30}


@st.composite
def inputs(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed with a few pieces of it replaced, dropped or repeated; or any bytes."""
    data = draw(st.sampled_from(seeds) | st.binary(max_size=64))
    for _ in range(draw(st.integers(0, 4))):
        at, length = draw(st.integers(0, len(data))), draw(st.sampled_from((0, 1, 1, 4, 40)))
        piece = draw(
            st.binary(max_size=4) | st.sampled_from((data[at : at + length] * 2, b"\xff", b"0", b"-"))
        )
        data = data[:at] + piece + data[at + length :]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_make_a_reader_break_its_promise(name: str) -> None:
    """Documented errors alone; what is accepted comes back the same; see each target's first sentence."""

    @settings(max_examples=SLOW.get(name, 60))
    @given(inputs(list(TARGETS[name].seeds)))
    def check(data: bytes) -> None:
        TARGETS[name].run(data)

    check()


@pytest.mark.parametrize(("name", "data"), [(name, data) for name in FOUND for data in FOUND[name]])
def test_what_once_found_a_fault_finds_none(name: str, data: bytes) -> None:
    """They are few and exact: none is left to chance."""
    TARGETS[name].run(data)


@pytest.mark.parametrize("files", REFERENCES)
def test_unaltered_logs_open_whole(files: dict[str, bytes]) -> None:
    """Or the targets would prove nothing: every alteration would be refused for another reason."""
    store = opened(files, witness=7)
    assert store is not None
    assert not store.recovery
    assert list(store.verify()) == []


def test_an_input_that_a_run_names_is_run_again() -> None:
    """A failure is worth nothing that cannot be repeated; this needs no atheris."""
    again = [sys.executable, "-m", "tests.reliability.fuzz", "--target", "zstd", "--input"]
    assert subprocess.run([*again, base64.b64encode(b"any").decode()]).returncode == 0
