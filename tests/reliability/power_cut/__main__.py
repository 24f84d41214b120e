"""Starts a run in a mount and a process namespace of its own, and ends it. Runs nothing itself.

When the first process of the namespaces ends, in whatever way, the kernel ends all others and takes
back every mount, and with the mounts the loop devices and the disk: there are no left-overs to find.
"""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.reliability.power_cut.rig import missing

NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")


def main() -> int:
    lacks = missing()
    if lacks:
        print(f"power cuts cannot be made here; missing: {', '.join(lacks)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    module = "tests.reliability.power_cut.run"
    run = subprocess.Popen([*ENDS_WITH_US, *NAMESPACES, sys.executable, "-m", module, *sys.argv[1:]])
    try:
        return run.wait()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        run.kill()
        run.wait()


if __name__ == "__main__":
    sys.exit(main())
