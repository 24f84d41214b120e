"""The command line: `agentlog …`. Only talks; what it does is done by the store.

Exit status: 0 fine, 1 something wrong was found or failed, 2 misuse, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Errors become one paragraph on stderr."""
    # What a terminal cannot encode is shown as an escape instead of ending the command.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        from agentlog.cli.application import run

        status = run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        if arguments is None:
            # The answer is given: Ctrl-C while Python ends would only show a traceback of Python's own.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        return status
    except KeyboardInterrupt:
        print("interrupted; what was acknowledged is in the log", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has read enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
