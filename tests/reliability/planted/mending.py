"""Planted bugs in repair, restore and the embedded server."""

from __future__ import annotations

from tests.reliability.planted.bug import Bug, bug

REPAIR = "replay/repair.py"
SEGMENTS = "replay/repair_segments.py"
POSTGRES = "replay/repair_postgres.py"
RESTORE = "replay/restore.py"
HOLDERS = "eventlog/embedded/holders.py"
CLUSTER = "eventlog/embedded/cluster.py"

REPAIR_TESTS = "tests/replay/test_repair.py"
RESTORE_TESTS = "tests/replay/test_restore.py"
SERVER_TESTS = "tests/eventlog/embedded/test_server.py"
EMBEDDED_CRASH_TESTS = "tests/eventlog/embedded/test_crash.py"
MENDING_TESTS = "tests/replay/test_repair_order.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "a repaired file is replaced without keeping it",
        "it is damaged, nobody needs it",
        SEGMENTS, "    kept = keep_file(site, path)\n", "    kept = path\n",
        REPAIR_TESTS,
    ),
    bug(
        "a repaired file is renamed before it is synced",
        "rename is atomic",
        SEGMENTS, "        io.fsync(target)\n", "",
        MENDING_TESTS,
    ),
    bug(
        "repaired rows are replaced without keeping them",
        "they are wrong, nobody needs them",
        POSTGRES, "            if rows:\n", "            if False:\n",
        REPAIR_TESTS,
    ),
    bug(
        "repair takes a frame as it comes",
        "it was made from the right lines",
        SEGMENTS, "        if len(frame) == header.stored_length and crc32c(frame) == header.frame_crc:\n",
        "        if True:\n",
        MENDING_TESTS,
    ),
    bug(
        "repair takes bytes that nobody proves",
        "half of it is better than nothing",
        REPAIR, "    if copies.lost or copies.chain is None:\n", "    if False:\n",
        REPAIR_TESTS,
    ),
    bug(
        "repair mixes two histories",
        "the newer one will be right",
        REPAIR, "    if copies.diverged is not None:\n", "    if False:\n",
        REPAIR_TESTS,
    ),
    bug(
        "repair does not ask whether the log has moved",
        "nobody writes while we repair",
        POSTGRES, "        if foreign or head != self._examination.head:\n", "        if False:\n",
        MENDING_TESTS,
    ),
    bug(
        "restore leaves the last batch out",
        "up to the end, exclusive",
        RESTORE, "self._site.segments, log_id, self._end)\n", "self._site.segments, log_id, self._end - 1)\n",
        RESTORE_TESTS,
    ),
    bug(
        "damaged segments are restored as far as they go",
        "half of it is better than nothing",
        RESTORE, "    if findings:\n        first, last", "    if False:\n        first, last",
        "tests/replay/test_restore_damage.py",
    ),
    bug(
        "restore writes over what is there",
        "who restores wants the other copy",
        RESTORE, '    if any(directory.segments.glob("*.ndjson.zst")):\n', "    if False:\n",
        RESTORE_TESTS,
    ),
    bug(
        "restore forgets the idempotency keys",
        "they are not events",
        RESTORE, "                if (note := key_note(new.meta)) is not None:\n",
        "                if (note := key_note(new.meta)) is not None and False:\n",
        RESTORE_TESTS,
    ),
    bug(
        "the embedded server runs without fsync",
        "it is so much faster",
        "eventlog/embedded/configuration.py", '"fsync": "on"', '"fsync": "off"',
        SERVER_TESTS,
    ),
    bug(
        "who lets go of the server stops it",
        "it was started for us",
        "eventlog/embedded/server.py",
        "limit_s=CLOSE_WAIT_S) and is_last(holder):\n", "limit_s=CLOSE_WAIT_S):\n",
        SERVER_TESTS,
    ),
    bug(
        "a forked child keeps the server",
        "the child closes its files when it ends",
        HOLDERS, "os.register_at_fork(after_in_child=_forget_in_forked_child)", "",
        SERVER_TESTS,
    ),
    bug(
        "the holders of a server are counted with lockf",
        "POSIX has it, so it is the portable one",
        HOLDERS, "            fcntl.flock(self.fd, kind | fcntl.LOCK_NB)\n",
        "            fcntl.lockf(self.fd, kind | fcntl.LOCK_NB)\n",
        SERVER_TESTS, EMBEDDED_CRASH_TESTS,
    ),
    bug(
        "a new server does not wait for the last processes of the old one",
        "its server is gone, so they are",
        CLUSTER, "        self._wait_for_orphans()\n", "",
        EMBEDDED_CRASH_TESTS,
    ),
    bug(
        "a half-written postmaster.pid stays",
        "Postgres clears it away",
        CLUSTER, "            os.unlink(self.layout.pid_file)\n", "            pass\n",
        EMBEDDED_CRASH_TESTS,
    ),
    bug(
        "a cluster has its name before it is complete",
        "initdb takes a second",
        CLUSTER, "        place = self.layout.unfinished_cluster\n", "        place = self.layout.cluster\n",
        EMBEDDED_CRASH_TESTS, SERVER_TESTS,
    ),
)  # fmt: skip
