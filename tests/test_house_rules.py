"""The house rules that a machine can check: sizes, types, imports, words, and a test for every module."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("eventlog", "projections", "replay", "agentlog")
LINES_MAX = 400
FUNCTION_LINES_MAX = 60

# Modules, and folders of modules, that are tested through what stands above them, and where.
TESTED_THROUGH = {
    "eventlog/projection.py": "tests/eventlog/postgres/test_migrate.py",  # a protocol, and its signature
    "eventlog/events/": "tests/eventlog/events/test_events.py",  # every kind, golden lines
    "eventlog/embedded/": "tests/eventlog/embedded/test_server.py",  # a running server
    "eventlog/segment/": "tests/eventlog/segment/test_store.py",  # the store is their one user
    "projections/archive/": "tests/projections/archive/test_archive.py",
    "replay/": "tests/replay/test_histories.py",  # random histories, damaged and repaired
    "agentlog/doctor.py": "tests/agentlog/cli",
    "agentlog/imports.py": "tests/agentlog/test_rsclaw.py",  # each source has tests of its own
    "agentlog/servers.py": "tests/agentlog/test_store.py",  # what opening a store does first
    "agentlog/opening.py": "tests/agentlog/test_store.py",
    "agentlog/schedule_sets.py": "tests/agentlog/test_schedule.py",  # the base of its handle, as is the next
    "agentlog/task_reads.py": "tests/agentlog/test_task.py",
    "agentlog/cli/": "tests/agentlog/cli",  # commands, as a person types them
}


def sources(*folders: str, suffix: str = ".py") -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob(f"*{suffix}")
        if "__pycache__" not in path.parts
    )


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


CODE = sources(*PACKAGES)
EVERYTHING = sources(*PACKAGES, "tests", "benchmarks")


def run(*command: str) -> None:
    """Run a checker; its words are the failure's."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing():
    run("ruff", "check", ".")


def test_everything_is_formatted():
    run("ruff", "format", "--check", *PACKAGES, "tests", "benchmarks")


def test_mypy_finds_nothing_wrong():
    run("mypy", "--strict", *PACKAGES)


def test_packages_depend_downwards_only():
    """eventlog <- projections <- replay <- agentlog."""
    run("lint-imports")


def test_a_file_fits_one_sitting():
    long = {
        name(path): count for path in EVERYTHING if (count := len(path.read_text().splitlines())) >= LINES_MAX
    }
    assert long == {}


def test_a_function_fits_a_screen():
    long = {
        f"{name(path)}:{node.name}": length
        for path in CODE
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert long == {}


def test_a_file_begins_with_what_it_is():
    silent = [
        name(path) for path in EVERYTHING if path.read_text().strip() and not ast.get_docstring(parsed(path))
    ]
    assert silent == []


def test_an_sql_file_begins_with_what_it_is():
    silent = [
        name(path) for path in sources(*PACKAGES, suffix=".sql") if not path.read_text().startswith("-- ")
    ]
    assert silent == []


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_module_has_a_test_file_or_is_tested_through_another():
    """The test of a/b.py is tests/a/test_b.py, or a file of tests/a that imports it; tests/README.md."""
    without = []
    for path in CODE:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        folder = ROOT / "tests" / path.parent.relative_to(ROOT)
        near = [test for test in folder.glob("test_*.py") if module in set(imports(test))]
        through = any(name(path).startswith(other) for other in TESTED_THROUGH)
        named = (folder / f"test_{path.name}").exists()
        if not (path.name.startswith("__") or named or near or through):
            without.append(name(path))
    assert without == []


@pytest.mark.parametrize("tested", TESTED_THROUGH)
def test_what_is_tested_through_another_is_there_and_so_is_the_other(tested: str):
    assert (ROOT / tested).exists()
    assert (ROOT / TESTED_THROUGH[tested]).exists()


def test_the_log_does_not_know_what_an_event_means():
    """Only eventlog/events names kinds, and nothing else of eventlog imports it."""
    knowing = [
        name(path)
        for path in sources("eventlog")
        if (ROOT / "eventlog" / "events") not in path.parents
        and any(
            module == "eventlog.events" or module.startswith("eventlog.events.") for module in imports(path)
        )
    ]
    assert knowing == []


def test_folds_do_no_input_and_no_output():
    """Pure: what they import can neither read a clock nor a file nor a socket."""
    impure = {"asyncio", "asyncpg", "os", "time", "random", "socket", "eventlog.clock", "eventlog.io"}
    folds = [path for path in (ROOT / "projections").glob("*.py") if path.name != "__init__.py"]
    assert {name(path) for path in folds if impure & set(imports(path))} == set()


def test_public_names_are_exported_once_and_exist():
    agentlog = import_module("agentlog")
    assert len(set(agentlog.__all__)) == len(agentlog.__all__)
    for public in agentlog.__all__:
        assert hasattr(agentlog, public), public
    for path in CODE:
        module = import_module(
            ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        )
        exported = getattr(module, "__all__", [])
        assert len(set(exported)) == len(exported), name(path)
        assert [missing for missing in exported if not hasattr(module, missing)] == [], name(path)


# In pieces, so that this file does not hold what it looks for.
BANNED = {
    "TO" + "DO:": "work that is left belongs into an issue",
    "FIX" + "ME": "work that is left belongs into an issue",
    "pragma: no " + "cover": "what is not covered is tested or deleted",
    "NotImplemented" + "Error": "what is not there is not offered",
    "/wo" + "rk/": "a path of one machine",
    "/tmp/" + "w/": "a path of one machine",
    "py" + "pi.org": "a registry",
    "pythonhos" + "ted": "a registry",
    "unittest." + "mock": "fakes pass the contract the real thing passes",
}


@pytest.mark.parametrize("word", BANNED)
def test_no_file_holds(word: str):
    texts = [
        *EVERYTHING,
        *sources(*PACKAGES, suffix=".sql"),
        *sources("docs", suffix=".md"),
        *ROOT.glob("[!.]*.*"),
        ROOT / ".ci" / "run",
    ]
    holding = [name(path) for path in texts if path.is_file() and word in path.read_text(errors="replace")]
    assert holding == [], BANNED[word]


def test_no_exception_is_swallowed_without_a_reason():
    """`except …: pass` says why on its line or the one above."""
    silent = []
    for path in CODE:
        lines = path.read_text().splitlines()
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ExceptHandler) and [type(part) for part in node.body] == [ast.Pass]:
                told = "".join(lines[node.lineno - 2 : node.body[0].lineno + 1])
                if "#" not in told:
                    silent.append(f"{name(path)}:{node.lineno}")
    assert silent == []


def test_a_tests_name_is_a_claim():
    """Not `test_foo` after a function, nor a number: words that can be false."""
    short = [
        f"{name(path)}:{node.name}"
        for path in sources("tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and len(re.findall(r"[a-z0-9]+", node.name)) < 4
    ]
    assert short == []


def test_every_invariant_of_the_log_has_a_test_that_names_it():
    """The ten promises to users (ARCHITECTURE.md); `pytest -k invariant_5` finds them by name."""
    told = [
        node.name
        for path in sources("tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    named = {int(number) for test in told for number in re.findall(r"invariant_(\d+)_", test)}
    assert named >= set(range(1, 11))


def test_fixtures_do_not_hide_in_files_without_tests():
    """tests/support holds helpers; a test there would run for nobody's file."""
    hidden = [
        name(path)
        for path in sources("tests/support")
        if not path.name.startswith("test_")
        and re.search(r"^(async )?def test_", path.read_text(), re.MULTILINE)
    ]
    assert hidden == []
