"""Starts a run in a mount and a process namespace of its own. Runs nothing itself.

When the first process of the namespaces ends, in whatever way, the kernel ends all others and takes
back every mount, and with the mounts the loop devices and the disk: there are no left-overs to find.
"""

from __future__ import annotations

import os
import sys

from tests.reliability.power_cut.rig import missing

NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def main() -> None:
    lacks = missing()
    if lacks:
        sys.exit(f"power cuts cannot be made here; missing: {', '.join(lacks)}")
    module = "tests.reliability.power_cut.run"
    os.execvp("unshare", ["unshare", *NAMESPACES, sys.executable, "-m", module, *sys.argv[1:]])


if __name__ == "__main__":
    main()
