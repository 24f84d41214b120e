"""Runs one suite in one copy of the tree, for a limited time, and says whether it failed.

A suite has failed when it says so itself. One that breaks down without a verdict, or that has to be
stopped, is told as what it is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.reliability.planted.bug import SIMULATE

ROOT = Path(__file__).parents[3]
# All that tests read; no repository and no virtual environment.
COPIED = (
    *("eventlog", "projections", "replay", "agentlog", "tests", "benchmarks", "docs"),
    *("pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", "ARCHITECTURE.md", "LICENSE"),
)
TIMEOUT_S = 300.0

FAILED, PASSED, HUNG, BROKE = "failed", "passed", "hung", "broke"


class Result(NamedTuple):
    """What came of one suite.

    Attributes:
        verdict: FAILED: it found something; PASSED; HUNG: it had to be stopped; BROKE: no verdict.
        tried: how much it took, e.g. "84 states" or "12 tests".
        said: its first complaint.
    """

    suite: str
    verdict: str
    tried: str
    said: str
    seconds: float


@contextmanager
def copied_tree(root: Path = ROOT) -> Iterator[Path]:
    """A copy of a tree that is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="agentlog-planted-") as directory:
        os.chmod(directory, 0o755)  # mkdtemp says 0700; a server that is another user may then pass
        copy = Path(directory) / "tree"
        copy.mkdir()
        for name in COPIED:
            source = root / name
            if source.is_dir():
                shutil.copytree(source, copy / name, symlinks=True)
            else:
                shutil.copy2(source, copy / name)
        (Path(directory) / "tmp").mkdir(mode=0o755)
        try:
            yield copy
        finally:
            _end_processes_in(directory)


def _end_processes_in(directory: str) -> None:
    """End what a failed test left running: a server, or a process that it had stopped."""
    for name in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
        with suppress(OSError):  # it ended meanwhile, or is none of ours to look at
            if os.readlink(f"/proc/{name}/cwd").startswith(directory + "/"):
                os.kill(int(name), signal.SIGKILL)


def run_suite(
    suite: str,
    copy: Path,
    *,
    seed: int,
    states: int,
    timeout_s: float = TIMEOUT_S,
    stop: threading.Event | None = None,
) -> Result:
    """Run a suite on a copy until its first failure; it is ended when `stop` is set."""
    command = _command(suite, seed, states)
    # Files that a killed test leaves behind are to go with the copy.
    environment = {**os.environ, "PYTHONPATH": str(copy), "TMPDIR": str(copy.parent / "tmp")}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=copy,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    output = None
    try:
        while output is None and time.monotonic() - began < timeout_s and not (stop and stop.is_set()):
            with suppress(subprocess.TimeoutExpired):
                output, _ = process.communicate(timeout=min(timeout_s, 0.5))
    finally:
        # The group is of this process's own making: whatever a failed suite started ends with it.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    seconds = time.monotonic() - began
    if output is None:
        return Result(suite, HUNG, "", f"stopped after {seconds:.0f} s", seconds)
    judge = _judge_simulation if suite == SIMULATE else _judge_tests
    return Result(suite, *judge(process.returncode, output), seconds)


def _command(suite: str, seed: int, states: int) -> list[str]:
    if suite == SIMULATE:
        # Of each run only some states: bugs hide in what happens, and that differs from run to run.
        sizes = ["--seed", str(seed), "--states", str(states), "--share", "0.07", "--workers", "1"]
        return ["tests.reliability.simulate", *sizes, "--stop-at-first", "--json"]
    options = ["-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}"]
    return ["pytest", *options, *suite.split()]


def _judge_simulation(status: int, output: str) -> tuple[str, str, str]:
    """(verdict, tried, said) of a simulation."""
    # A run that was broken off may have more to say at its end: what stands in JSON is the report.
    reports = [line for line in output.splitlines() if line.startswith('{"run"')]
    if not reports:
        return BROKE, "", _last_line(output)
    report = json.loads(reports[-1])
    tried = f"{report['states']} states"
    if status == 1 and report["failures"]:
        return FAILED, tried, report["first_failures"][0]
    return (PASSED if status == 0 else BROKE), tried, ""


def _judge_tests(status: int, output: str) -> tuple[str, str, str]:
    """(verdict, tried, said) of a pytest run."""
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", output)}
    tried = f"{sum(counts.values())} tests"
    # An error is one of the suite: a missing file or a fixture that broke. It has judged nothing.
    complaints = [line for line in output.splitlines() if line.startswith("FAILED ")]
    if status == 1 and complaints:
        return FAILED, tried, complaints[0]
    if status == 0:
        return PASSED, tried, ""
    return BROKE, tried, complaints[0] if complaints else _last_line(output)


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
