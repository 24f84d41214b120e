"""The watcher can run where nothing is installed. What it does is in test_crash.py."""

from __future__ import annotations

import os
import subprocess
import sys

import eventlog


def test_the_watcher_needs_nothing_but_the_standard_library():
    """It starts without site-packages: what it imports must not need them."""
    code = "import sys; sys.path.append(sys.argv[1]); import eventlog.embedded.watcher; "
    code += "print(*[m for m in sys.modules if m.split('.')[0] in ('msgspec', 'asyncpg', 'asyncio')])"
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        code,
        os.path.dirname(os.path.dirname(os.path.abspath(eventlog.__file__))),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
