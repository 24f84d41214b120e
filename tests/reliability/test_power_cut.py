"""The disk that loses power owes what was flushed, and nothing else; and a few real cuts, as root."""

from __future__ import annotations

import json
import subprocess
import sys
from random import Random

import pytest

from tests.reliability.power_cut.recording import FATES, PAGE_BYTES, SECTOR_BYTES, Image, Recording
from tests.reliability.power_cut.rig import missing

LACKS = missing()
SIZE_BYTES = 16 * PAGE_BYTES


def recorded(random: Random, count: int = 60) -> Recording:
    """A recording of writes of sectors here and there, and of flushes; a byte tells which write it was."""
    recording = Recording()
    for number in range(1, count):
        if random.random() < 0.2:
            recording.flush(at_ns=number)
        else:
            sectors = random.randint(1, 20)
            offset = SECTOR_BYTES * random.randrange(SIZE_BYTES // SECTOR_BYTES - sectors)
            recording.write(offset, bytes([number]) * SECTOR_BYTES * sectors, at_ns=number)
    return recording


def history_of_sector(recording: Recording, at: int, sector: int) -> tuple[int, set[int]]:
    """What a sector holds for certain after `at` operations, and what it may hold instead."""
    certain, possible = 0, set[int]()
    for operation in recording.operations[:at]:
        if operation is None:
            certain, possible = max(possible, default=certain), set()
        elif operation.offset <= sector * SECTOR_BYTES < operation.offset + len(operation.data):
            possible.add(operation.data[0])
    return certain, possible


@pytest.mark.parametrize("atom_bytes", [SECTOR_BYTES, PAGE_BYTES])
@pytest.mark.parametrize("seed", range(10))
def test_a_cut_keeps_what_was_flushed_and_any_part_of_what_was_not(seed: int, atom_bytes: int):
    """Sector by sector, for cuts of one recording in ascending order, as a run takes them."""
    random = Random(seed)
    recording = recorded(random)
    for at in sorted(random.randrange(len(recording.operations) + 1) for _ in range(20)):
        image = recording.cut(at, random, atom_bytes)
        for sector in range(SIZE_BYTES // SECTOR_BYTES):
            held = set(image.read(sector * SECTOR_BYTES, SECTOR_BYTES))
            certain, possible = history_of_sector(recording, at, sector)
            assert len(held) == 1, "a sector is never torn"
            assert held <= {certain, *possible}, f"sector {sector} after {at} operations"


def test_every_fate_is_met_and_they_differ():
    """A run whose cuts all kept everything would find nothing."""
    outcomes = set()
    for seed in range(200):
        recording = Recording()
        for page in range(4):
            recording.write(page * PAGE_BYTES, b"x" * PAGE_BYTES, at_ns=0)
        outcomes.add(recording.cut(4, Random(seed), SECTOR_BYTES).read(0, 4 * PAGE_BYTES))
    assert bytes(4 * PAGE_BYTES) in outcomes
    assert b"x" * 4 * PAGE_BYTES in outcomes
    assert len(outcomes) > 5 * len(FATES)


def test_an_image_never_changes_the_one_below_it():
    """What recovery writes after a cut is gone with the next cut."""
    below = Image()
    below.write(100, b"below")
    above = Image(below)
    above.write(102, b"ABOVE")
    assert above.read(98, 12) == b"\0\0beABOVE\0\0\0"
    assert below.read(98, 12) == b"\0\0below\0\0\0\0\0"


@pytest.mark.root
@pytest.mark.skipif(bool(LACKS), reason=f"real power cuts need what is missing here: {', '.join(LACKS)}")
def test_invariants_2_and_7_nothing_acknowledged_is_lost_in_a_real_power_cut():
    """A short run of `make power-cut`, with another seed each time; the report names it."""
    sizes = ["--cuts", "10", "--on", "ext4,btrfs", "--both", "2", "--rounds", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.power_cut", *sizes, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["cuts"] == 12
