"""The arguments of a run, read twice: before its namespaces are made, and in them."""

from __future__ import annotations

import tempfile
from argparse import ArgumentTypeError
from pathlib import Path
from typing import NamedTuple

from tests.reliability.power_cut.rig import FILE_SYSTEMS
from tests.reliability.report import argument_parser, chosen_seed


class Options(NamedTuple):
    """What to run; see `options` for the defaults, which are the published sizes."""

    seed: int
    as_json: bool
    cuts: int
    both: int
    rounds: int
    segment_file_systems: list[str]
    both_file_systems: list[str]
    keep: Path


def options() -> Options:
    parser = argument_parser("Real power cuts on real file systems. Needs root.")
    parser.add_argument("--cuts", type=int, default=500, help="of the segment store alone")
    parser.add_argument("--both", type=int, default=200, help="of Postgres and segments on one disk")
    parser.add_argument("--rounds", type=int, default=5, help="of each failing and each full disk")
    parser.add_argument("--on", type=kinds, default=list(FILE_SYSTEMS), help="file systems for segments")
    parser.add_argument("--both-on", type=kinds, default=["ext4"], help="and for Postgres and segments")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()), help="for disks that fail")
    given = parser.parse_args()
    return Options(
        chosen_seed(given), given.json, given.cuts, given.both, given.rounds,
        given.on, given.both_on, given.keep,
    )  # fmt: skip


def kinds(text: str) -> list[str]:
    """The file systems in a list with commas, which may be empty."""
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in FILE_SYSTEMS]:
        raise ArgumentTypeError(f"{unknown[0]} is none of {', '.join(FILE_SYSTEMS)}")
    return names
