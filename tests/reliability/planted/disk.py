"""Planted bugs in writing and syncing: segments, their names, the durable mark, locks, agentlog.json."""

from __future__ import annotations

from tests.reliability.planted.bug import SIMULATE, Bug, Edit, bug

IO = "eventlog/io.py"
TAIL = "eventlog/segment/tail.py"
APPENDER = "eventlog/segment/appender.py"
FILES = "eventlog/segment/directory.py"
STORE = "eventlog/segment/store.py"
DATA = "eventlog/directory.py"

STORE_TESTS = "tests/eventlog/segment/test_store.py"
CRASH_TESTS = "tests/eventlog/segment/test_crashes.py"
SHARING_TESTS = "tests/eventlog/segment/test_sharing.py"
IO_TESTS = "tests/eventlog/test_io.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "segments are not synced",
        "the kernel writes it out within seconds",
        TAIL, "            self._io.fdatasync(segment.fd)\n", "            pass\n",
        SIMULATE,
    ),
    bug(
        "a sync covers what came while it ran",
        "it is synced now, so up to where we are now",
        TAIL, "                    self._know_durable(segment, place)\n            return",
        "                    self._know_durable(segment, self.head)\n            return",
        CRASH_TESTS,
    ),
    bug(
        "a failed sync is tried again",
        "the disk was busy; the second time it says yes",
        TAIL,
        "            self._io.fdatasync(segment.fd)\n        except OSError as error:\n"
        "            raise self._refuse(",
        "            self._io.fdatasync(segment.fd)\n        except OSError as error:\n"
        "            self._io.fdatasync(segment.fd)\n            return\n            raise self._refuse(",
        STORE_TESTS,
    ),
    bug(
        "a failed sync is told once and forgotten",
        "whoever comes next gets a sync of his own",
        TAIL, '        self.refused = f"{self._files.path}', '        what = f"{self._files.path}',
        STORE_TESTS,
    ),
    bug(
        "no cut back after a full disk",
        "the next block overwrites what was left behind",
        TAIL, "            segment.cut_back(before, count)\n", "            pass\n",
        STORE_TESTS,
    ),
    bug(
        "a full disk counts as written",
        "it was taken back cleanly, so nothing is wrong",
        TAIL,
        "            self._take_back(segment, before, count, error)\n            raise\n        self.head",
        "            self._take_back(segment, before, count, error)\n        self.head",
        STORE_TESTS,
    ),
    bug(
        "a short write is the whole write",
        "the kernel takes what it is given",
        IO, "    while done < len(data):\n        done +=", "    while done < 0:\n        done +=",
        SIMULATE, STORE_TESTS,
    ),
    bug(
        "no lock around an append",
        "one process opens a directory",
        STORE, "        with self._files.locked(wait=wait):\n", "        if True:\n",
        SIMULATE, SHARING_TESTS,
    ),
    bug(
        "no lock around an opening",
        "opening only reads",
        STORE, "            with store._files.locked():\n                store._tail.recover",
        "            if True:\n                store._tail.recover",
        SIMULATE, SHARING_TESTS,
    ),
    Bug(
        "lockf instead of flock",
        "POSIX has it, so it is the portable one",
        (
            Edit(IO, "fcntl.flock(fd, kind | fcntl.LOCK_NB)", "fcntl.lockf(fd, kind | fcntl.LOCK_NB)"),
            Edit(IO, "fcntl.flock(fd, fcntl.LOCK_UN)", "fcntl.lockf(fd, fcntl.LOCK_UN)"),
        ),
        (IO_TESTS,),
    ),
    bug(
        "a lock is not asked whether it is the right one",
        "nobody moves a directory that is in use",
        FILES, "        if not self.in_place:\n", "        if False:\n",
        "tests/eventlog/segment/test_reopening.py",
    ),
    bug(
        "a segment is named in whatever directory is there by then",
        "a lock that was right stays right",
        FILES, "            self._check_place()\n            self._io.rename", "            self._io.rename",
        SHARING_TESTS,
    ),
    bug(
        "a forked child keeps the lock",
        "the child closes its files when it ends",
        FILES, "os.register_at_fork(after_in_child=_forget_in_forked_child)", "",
        SHARING_TESTS,
    ),
    bug(
        "a fork is not noticed",
        "nobody forks with an open log",
        STORE, '        if self._forks != forks():\n            raise Closed("the process forked',
        '        if False:\n            raise Closed("the process forked',
        STORE_TESTS,
    ),
    bug(
        "a block promises itself",
        "it is synced in a moment anyway",
        APPENDER, "place.offset, block.first_position, durable_offset, epoch",
        "place.offset, block.first_position, place.offset, epoch",
        SIMULATE,
    ),
    bug(
        "a block promises nothing",
        "a promise that is not made cannot be broken",
        APPENDER, "place.offset, block.first_position, durable_offset, epoch",
        "place.offset, block.first_position, 0, epoch",
        "tests/eventlog/segment/test_recovery.py",
    ),
    bug(
        "the seal is written before the data is synced",
        "the sync after it covers both",
        APPENDER, "        write_all(self._io, self.fd, frame, header.offset)\n        sync()\n",
        "        write_all(self._io, self.fd, frame, header.offset)\n",
        SIMULATE, CRASH_TESTS,
    ),
    bug(
        "the seal is not synced",
        "the next segment's sync takes it along",
        APPENDER, "        write_all(self._io, self.fd, seal, header.end)\n        sync()\n",
        "        write_all(self._io, self.fd, seal, header.end)\n",
        SIMULATE, CRASH_TESTS,
    ),
    bug(
        "a new segment begins where the old one ended",
        "last position, first position: the same number",
        APPENDER, "base_position=seal.last_position + 1,", "base_position=seal.last_position,",
        SIMULATE,
    ),
    bug(
        "a segment gets its name before its header is on disk",
        "rename is atomic",
        FILES, "            self._io.fdatasync(fd)\n            self._check_place()\n",
        "            self._check_place()\n",
        SIMULATE, CRASH_TESTS,
    ),
    bug(
        "the name of a new segment is not synced",
        "rename is atomic",
        FILES, "rename(new_path, path)\n            sync_directory(self._io, self.path)\n",
        "rename(new_path, path)\n",
        SIMULATE, CRASH_TESTS,
    ),
    bug(
        "the directory of the segments is not synced",
        "a directory that was made is there",
        IO,
        "            io.mkdir(path, 0o700)\n    sync_directory(io, os.path.dirname(os.path.abspath(path)))\n",
        "            io.mkdir(path, 0o700)\n",
        SIMULATE, CRASH_TESTS,
    ),
    bug(
        "the durable mark has one slot",
        "68 bytes are written at once",
        FILES, "target = next(slot for slot in (*spoilt, *MARK_SLOTS) if slot != newest)",
        "target = MARK_SLOTS[0]",
        SIMULATE, CRASH_TESTS, "tests/eventlog/segment/test_recovery.py",
    ),
    bug(
        "agentlog.json is renamed before it is synced",
        "rename is atomic",
        DATA, "                self._io.fsync(fd)\n", "",
        SIMULATE, "tests/eventlog/test_directory.py",
    ),
    bug(
        "the name of agentlog.json is not synced",
        "rename is atomic",
        DATA,
        "                self._io.unlink(temporary)\n        sync_directory(self._io, str(self.path))\n",
        "                self._io.unlink(temporary)\n",
        "tests/eventlog/test_directory.py",
    ),
    bug(
        "a copied data directory keeps its id",
        "a copy is the same",
        DATA, "        if found.inode == self._io.identity(str(self.path / NAME))[1]:\n",
        "        if found.inode:\n",
        "tests/eventlog/test_directory.py",
    ),
)  # fmt: skip
