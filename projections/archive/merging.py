"""Which ranges are small, and which of them are made one. Pure."""

from __future__ import annotations

from projections.archive.manifest import ArchiveFile, Manifest


def without_small_end(current: Manifest, events_max: int, bytes_max: int) -> Manifest:
    """Return the manifest without its last range, if that is small.

    It is made again with what follows, so that many small builds do not leave many small files. Its files
    serve until then.
    """
    last = current.ranges()[-1:]
    if last and _is_small(last[0], events_max, bytes_max):
        return current.before(last[0].first_position)
    return current


def runs_of_small(current: Manifest, events_max: int, bytes_max: int) -> list[list[ArchiveFile]]:
    """Return ranges to be merged, by what is to be one: at most `events_max` and `bytes_max` each."""
    runs: list[list[ArchiveFile]] = [[]]
    for file in current.ranges():
        events = sum(_positions(other) for other in runs[-1]) + _positions(file)
        size = sum(other.source_bytes for other in runs[-1]) + file.source_bytes
        if not _is_small(file, events_max, bytes_max):
            runs.append([])
        elif events > events_max or size > bytes_max:
            runs.append([file])
        else:
            runs[-1].append(file)
    return [run for run in runs if len(run) > 1]


def _is_small(file: ArchiveFile, events_max: int, bytes_max: int) -> bool:
    """Whether it is under half of both."""
    return _positions(file) * 2 < events_max and file.source_bytes * 2 < bytes_max


def _positions(file: ArchiveFile) -> int:
    return file.last_position - file.first_position + 1
