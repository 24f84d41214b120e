"""Kills an unmodified process at every system call on the log directory, by strace. Skipped without it.

strace counts calls by thread and by name, so a *site* is the k-th call of one name in some thread. One
run without a kill lists the sites that concern the directory; then a process dies at each. That run
also proves that calls.py leaves out nothing: what its counter saw is what strace saw.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from tests.reliability.kill.calls import SCENES, SEGMENT_BYTES_MAX, Scene, ready
from tests.reliability.kill.place import Place, new_place
from tests.reliability.kill.victim import Plan

SITES_PER_PLACE = 20
# Threads share the work in another way each time, so a site may not come again.
MISSED = "calls that strace did not meet again"
TRACED = "pwrite64,fdatasync,fsync,ftruncate,fallocate,openat,flock,/^rename,/^link,/^unlink,/^mkdir"
# What a call is called at the seam. The others are also made by what is not the log, or change nothing:
# a directory that exists is "made" once more.
AT_SEAM = {
    "pwrite64": "pwrite", "fdatasync": "fdatasync", "fsync": "fsync", "ftruncate": "ftruncate",
    "rename": "rename", "renameat": "rename", "renameat2": "rename", "link": "link", "linkat": "link",
    "unlink": "unlink", "unlinkat": "unlink",
}  # fmt: skip
_LINE = re.compile(r"(?P<thread>\d+) +(?P<name>[a-z0-9_]+)\((?P<rest>.*)")

Site = tuple[str, int]  # the name of a system call, and which of them it is in its thread


def why_not() -> str:
    """Return why this cannot be done here; "" when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = subprocess.run(
        ["strace", "-qq", "-o", os.devnull, "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return "" if probe.returncode == 0 else f"strace may not trace here: {probe.stderr.strip()}"


class Straced:
    """What was done.

    Attributes:
        counts: kills by scene.
        failures: each names scene and site, which repeats it.
    """

    def __init__(self, folder: Path, postgres: dict[str, Any]) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._folder, self._postgres = folder, postgres

    async def every(self, scene: Scene, *, step: int = 1) -> None:
        """Kill at every site of a scene, or at every so many."""
        async with new_place(self._folder, self._postgres) as place:
            sites = (await self._list(place, scene))[::step]
        while sites and not self.failures:
            now, sites = sites[:SITES_PER_PLACE], sites[SITES_PER_PLACE:]
            async with new_place(self._folder, self._postgres) as place:
                for name, which in now:
                    await ready(place, scene)
                    inject = f"inject={name}:signal=SIGKILL:when={which}"
                    status = await _strace(
                        _plan(place, scene), "-o", os.devnull, "-e", f"trace={name}", "-e", inject
                    )
                    self.counts[f"kills by strace: {scene.name}" if status == -9 else MISSED] += 1
                    found = await place.judge(scene.work)
                    if status not in (0, -9):
                        found.append(f"the victim failed by itself, exit code {status}")
                    self.failures += [f"{scene.name}, {name} {which}: {line}" for line in found]

    async def _list(self, place: Place, scene: Scene) -> list[Site]:
        """Return the sites of a scene, having compared how many calls there were with the seam's count."""
        await ready(place, scene)
        trace, counted = place.folder / "trace", place.folder / "counted"
        plan = msgspec.structs.replace(_plan(place, scene), counted=str(counted))
        await _strace(plan, "-y", "-s", "1", "-o", str(trace), "-e", f"trace={TRACED}")
        seen: Counter[Site] = Counter()
        at_seam: Counter[str] = Counter()
        sites: dict[Site, None] = {}
        for line in trace.read_text(errors="replace").splitlines():
            found = _LINE.match(line)
            if found is None:
                continue  # the second half of a call that another thread interrupted
            name = found["name"]
            seen[found["thread"] + name, 0] += 1
            made = name != "openat" or "O_CREAT" in found["rest"]  # other files are opened all the time
            if str(place.data) in found["rest"] and made:
                sites[name, seen[found["thread"] + name, 0]] = None
                if name in AT_SEAM:
                    at_seam[AT_SEAM[name]] += 1
        counts = msgspec.json.decode(counted.read_bytes(), type=dict[str, int])
        for name, count in at_seam.items():
            known = counts.get(name, 0)  # more than that: directories above the log's are synced as well
            if count > known:
                self.failures.append(f"{scene.name}: strace saw {count} calls of {name}, the seam {known}")
        return list(sites)


def _plan(place: Place, scene: Scene) -> Plan:
    return place.plan(scene.work, segment_bytes_max=SEGMENT_BYTES_MAX)


async def _strace(plan: Plan, *options: str) -> int:
    """Run a victim under strace; return how it ended, minus the signal when by one."""
    command = [
        "strace", "-f", "--seccomp-bpf", "-qq", *options,
        sys.executable, "-m", "tests.reliability.kill.victim", msgspec.json.encode(plan).decode(),
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run_straced(done: Straced, *, lanes: int = 2) -> None:
    """Kill at every site of every scene."""
    left = list(SCENES)

    async def lane() -> None:
        while left and not done.failures:
            await done.every(left.pop())

    await asyncio.gather(*(lane() for _ in range(lanes)))
