"""Fuzz decoders and recovery under atheris: python -m tests.reliability.fuzz --seed S --seconds 600

One process per target, side by side, each with its share of the time. Every failure names the target and its
input; `--target NAME --input BASE64` runs that one again, without atheris. Nothing is left on disk.
"""

from __future__ import annotations

import argparse
import base64
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.reliability.report import Report, argument_parser, chosen_seed

# Whole directories are worth more time than single frames, and are slower.
_SHARES = {"directory": 5.0, "forged": 5.0, "lines": 2.0, "payload": 2.0, "transcript": 2.0}
# What reads bytes. To instrument the rest as well makes every process begin ten seconds later.
_INSTRUMENTED = [
    "eventlog.segment", "eventlog.payload", "eventlog.grammar", "eventlog.strict", "eventlog.envelope",
    "eventlog.command", "eventlog.directory", "replay.blocks", "replay.imports", "agentlog.configuration",
    "projections.archive.manifest",
]  # fmt: skip
_LONGEST_INPUT_BYTES = 16384
_SLOWEST_INPUT_S = 30
_MEMORY_MIB = 2048
_DONE = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    logging.disable(logging.CRITICAL)  # what a spoilt disk says is no news
    if options.child is not None:
        return _fuzz(options.child, options.corpus, options.flags)
    from tests.reliability.fuzz.targets import TARGETS

    if options.input is not None:
        TARGETS[options.target].run(base64.b64decode(options.input))
        return 0
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("this run needs atheris (Linux): pip install 'agentlog[fuzz]'", file=sys.stderr)
        return 2
    names = [options.target] if options.target else list(TARGETS)
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # so that what was started and made is cleared away
    report = Report("fuzz", chosen_seed(options))
    report.counts.update(executions=0, targets=len(names))
    with tempfile.TemporaryDirectory(prefix="agentlog-fuzz-") as place:
        for name, executions, failure in _results(Path(place), names, report.seed, options):
            report.counts["executions"] = int(report.counts["executions"]) + executions
            report.counts[f"of_{name}"] = executions
            if failure:
                report.failures.append(failure)
    return report.finish(as_json=options.json)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argument_parser(__doc__ or "")
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="machine time of the whole run, divided by --jobs"
    )
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes")
    parser.add_argument("--target", help="one target alone")
    parser.add_argument("--input", help="one input of that target, in base64, as a failure names it")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", help=argparse.SUPPRESS)
    parser.add_argument("flags", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _fuzz(name: str, corpus: str, flags: list[str]) -> int:
    """Run one target in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=_INSTRUMENTED):
        from tests.reliability.fuzz.targets import TARGETS
    target = TARGETS[name]
    for number, data in enumerate(target.seeds):
        Path(corpus, f"seed-{number}").write_bytes(data)
    atheris.Setup([sys.argv[0], *flags, corpus], target.run)
    atheris.Fuzz()
    return 0


def _results(
    place: Path, names: list[str], seed: int, options: argparse.Namespace
) -> Iterator[tuple[str, int, str]]:
    """Yield name, executions and failure of each target as it ends; `options.jobs` run at a time."""
    total = sum(_SHARES.get(name, 1.0) for name in names)
    waiting, running = list(names), dict[str, subprocess.Popen[bytes]]()
    try:
        while waiting or running:
            while waiting and len(running) < options.jobs:
                name = waiting.pop(0)
                share_s = options.seconds * min(options.jobs, len(names)) * _SHARES.get(name, 1.0) / total
                running[name] = _started(place, name, seed, share_s)
            for name in [name for name, process in running.items() if process.poll() is not None]:
                yield name, *_read(place, name, running.pop(name).returncode)
            time.sleep(0.1)
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def _started(place: Path, name: str, seed: int, seconds: float) -> subprocess.Popen[bytes]:
    corpus = place / name
    corpus.mkdir()
    flags = [
        f"-seed={seed % 2**31 or 1}", f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={_LONGEST_INPUT_BYTES}", f"-timeout={_SLOWEST_INPUT_S}", f"-rss_limit_mb={_MEMORY_MIB}",
        f"-artifact_prefix={corpus}.", "-print_final_stats=1",
    ]  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "tests.reliability.fuzz",
        "--child",
        name,
        "--corpus",
        str(corpus),
        "--",
        *flags,
    ]
    with open(f"{corpus}.log", "wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def _read(place: Path, name: str, status: int) -> tuple[int, str]:
    """Return how often a target ran, and what was wrong with it."""
    text = Path(f"{place / name}.log").read_text(errors="replace")
    done = _DONE.search(text)
    executions = int(done[1]) if done else 0
    if status == 0:
        return executions, ""
    inputs = sorted(place.glob(f"{name}.*-*"))
    spoilt = base64.b64encode(inputs[0].read_bytes()).decode() if inputs else ""
    errors = [
        line.strip()
        for line in text.splitlines()
        if re.match(r"\s*(\w+\.)*(\w*Error|\w*Exception|Invalid|Damaged)\b", line)
    ]
    what = errors[-1] if errors else text.strip()[-300:]
    again = f"python -m tests.reliability.fuzz --target {name} --input {spoilt}"
    return executions, f"{name}: {what} | {again}"


if __name__ == "__main__":
    sys.exit(main())
