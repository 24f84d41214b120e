"""Planted bugs in reading and recovering: what is trusted, what is torn, what is damage."""

from __future__ import annotations

from tests.reliability.planted.bug import SIMULATE, Bug, bug

OPENING = "eventlog/segment/opening.py"
RECOVERY = "eventlog/segment/recovery.py"
SCANNER = "eventlog/segment/scanner.py"
FILES = "eventlog/segment/directory.py"
TAIL = "eventlog/segment/tail.py"

RECOVERY_TESTS = "tests/eventlog/segment/test_recovery.py"
CRASH_TESTS = "tests/eventlog/segment/test_crashes.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "recovery trusts the page cache",
        "what is read is what is there",
        OPENING, "        io.drop_cache(fd)\n", "",
        "tests/eventlog/segment/test_reopening.py", SIMULATE,
    ),
    bug(
        "recovery does not sync what it accepts",
        "it was read from the disk",
        OPENING, "        io.fdatasync(fd)\n        io.drop_cache(fd)\n", "        io.drop_cache(fd)\n",
        SIMULATE, CRASH_TESTS,
    ),
    bug(
        "recovery does not sync the newest name",
        "whoever made the segment synced it",
        OPENING, "    sync_directory(io, directory.path)\n    newest", "    newest",
        SIMULATE, CRASH_TESTS,
    ),
    bug(
        "who follows into a segment does not sync its name",
        "whoever made the segment synced it",
        TAIL, "        sync_directory(self._io, self._files.path)\n        fd, header",
        "        fd, header",
        CRASH_TESTS,
    ),
    bug(
        "damage is cut away",
        "stop at the first bad record and go on from there",
        RECOVERY, '    return Verdict(False, f"{findings.problem}; {reason}", until)\n',
        '    return Verdict(True, "")\n',
        RECOVERY_TESTS,
    ),
    bug(
        "later promises are not looked for",
        "what follows a bad record cannot be trusted",
        RECOVERY, "    elif findings.promised_offset > findings.offset:\n", "    elif False:\n",
        RECOVERY_TESTS,
    ),
    bug(
        "a seal behind the damage is not looked for",
        "what follows a bad record cannot be trusted",
        RECOVERY, "    elif findings.seal_follows:\n", "    elif False:\n",
        RECOVERY_TESTS,
    ),
    bug(
        "the durable mark is no witness",
        "it is only a hint",
        OPENING, 'witnesses = (*witnesses, Witness("the durable mark in HEAD", mark.position))', "pass",
        RECOVERY_TESTS,
    ),
    bug(
        "Postgres is no witness",
        "what the directory remembers is enough",
        "eventlog/segment/store.py",
        'Witness("Postgres", durable_witness)', 'Witness("Postgres", 0)',
        RECOVERY_TESTS,
    ),
    bug(
        "a file that ends early is whole",
        "every block in it reads",
        RECOVERY,
        "        if not lost:\n            return Verdict(False",
        "        if True:\n            return Verdict(False",
        RECOVERY_TESTS,
    ),
    bug(
        "a torn tail is cut without a copy",
        "nobody was promised these bytes",
        RECOVERY, "    copy = directory.keep_copy(fd, os.path.basename(path), findings.offset)\n",
        '    copy = ""\n',
        RECOVERY_TESTS,
    ),
    bug(
        "the copy of a torn tail is not synced before the cut",
        "it is written, and written once is enough",
        FILES, "            self._io.fsync(copy)\n", "",
        CRASH_TESTS,
    ),
    bug(
        "the name of the copy of a torn tail is not synced before the cut",
        "it is written, and written once is enough",
        FILES, "        sync_directory(self._io, self.quarantine)\n", "",
        CRASH_TESTS,
    ),
    bug(
        "older segments need not continue one another",
        "each of them is sealed",
        OPENING, "    check_predecessor(next_path, next_header, info, seal.chain_after)\n", "",
        RECOVERY_TESTS,
    ),
    bug(
        "a segment may be missing",
        "the others are whole",
        OPENING, "    if bases[0] != 1:\n", "    if False:\n",
        RECOVERY_TESTS,
    ),
    bug(
        "a segment of another log is taken",
        "it is in our directory",
        OPENING, "    if header.log_id != log_id:\n", "    if False:\n",
        "tests/eventlog/segment/test_format.py",
    ),
    bug(
        "opening does not check frames",
        "the header says how long it is",
        SCANNER, "            or crc32c(data[frame_at:end]) != frame_crc\n", "",
        SIMULATE, RECOVERY_TESTS,
    ),
    bug(
        "reading does not check frames",
        "they were checked when the log was opened",
        SCANNER, "    if crc32c(frame) != header.frame_crc:\n", "    if False:\n",
        RECOVERY_TESTS, "tests/eventlog/segment/test_verify.py",
    ),
    bug(
        "a block may stand in another file or place",
        "it has a CRC",
        SCANNER, "    if header.salt != salt or header.offset != place.offset:\n", "    if False:\n",
        RECOVERY_TESTS, "tests/eventlog/segment/test_verify.py",
    ),
    bug(
        "a block need not follow the one before it",
        "positions are checked",
        SCANNER, "    if place.link is not None and header.link != place.link:\n", "    if False:\n",
        RECOVERY_TESTS, "tests/eventlog/segment/test_verify.py",
    ),
    bug(
        "the chain is not checked from block to block",
        "the links are checked",
        SCANNER, "    if place.chain is not None and header.chain_before != place.chain:\n",
        "    if False:\n",
        RECOVERY_TESTS, "tests/eventlog/segment/test_verify.py",
    ),
    bug(
        "the content of blocks is not chained again",
        "each block has a CRC",
        "eventlog/segment/contents.py", "    if chain != header.chain_after:\n", "    if False:\n",
        "tests/eventlog/segment/test_verify.py",
    ),
    bug(
        "no limit before a frame is decompressed",
        "we wrote it ourselves",
        "eventlog/segment/frames.py",
        "        if zstandard.frame_content_size(frame) != raw_length:\n", "        if False:\n",
        RECOVERY_TESTS, "tests/eventlog/segment/test_format.py", "tests/eventlog/segment/test_verify.py",
    ),
    bug(
        "a short read is the end of the file",
        "the kernel gives what it is asked for",
        "eventlog/io.py", "    while len(data) < length:\n", "    while False:\n",
        "tests/eventlog/segment",
    ),
    bug(
        "a reader takes a block that is being written for damage",
        "an append is one write",
        "eventlog/segment/reader.py", "                if place.position > promised:\n",
        "                if False:\n",
        SIMULATE, CRASH_TESTS,
    ),
)  # fmt: skip
