"""Planted bugs between a command and its acknowledgement: writer, outcomes, mirror, subscriptions."""

from __future__ import annotations

from tests.reliability.planted.bug import SIMULATE, Bug, Edit, bug

WRITER = "eventlog/writer.py"
ACKNOWLEDGE = "eventlog/acknowledge.py"
MIRROR = "eventlog/mirror.py"
LOG = "eventlog/log.py"
OUTCOME = "eventlog/outcome.py"

OUTCOME_TESTS = "tests/eventlog/test_outcome.py"
MIRROR_TESTS = "tests/eventlog/test_mirror.py"
ACKNOWLEDGE_TESTS = "tests/eventlog/test_acknowledge.py"
WRITER_TESTS = "tests/eventlog/test_writer.py"
LOG_TESTS = "tests/eventlog/test_log.py"
PAGES_TESTS = "tests/eventlog/test_pages.py"

BUGS: tuple[Bug, ...] = (
    bug(
        "a lone append is told before its sync",
        "Postgres has it, that is durable enough",
        MIRROR, "        self.store.sync()\n        return True\n", "        return True\n",
        SIMULATE, ACKNOWLEDGE_TESTS,
    ),
    bug(
        "a batch is told before its sync",
        "Postgres has it, that is durable enough",
        MIRROR, "        self.store.sync()\n        return head\n", "        return head\n",
        SIMULATE, ACKNOWLEDGE_TESTS,
    ),
    bug(
        "a slow disk holds up who does not wait for it",
        "the sync of the others takes no longer for it",
        ACKNOWLEDGE, "if blocks and not (all_wait and self._write_here(blocks)):",
        "if blocks and not self._write_here(blocks):",
        ACKNOWLEDGE_TESTS,
    ),
    bug(
        "what is copied is not synced",
        "it can be copied again",
        MIRROR, "        await loop.run_in_executor(self._thread, self.store.sync)\n\n    async def mark",
        "\n    async def mark",
        "tests/eventlog/test_mirror_level.py",
    ),
    bug(
        "callers are told when their batch is handed over",
        "the rest happens in a moment",
        ACKNOWLEDGE,
        "            if not pending.wait_for_mirror:\n                resolve(pending, receipt)\n",
        "            resolve(pending, receipt)\n",
        SIMULATE, ACKNOWLEDGE_TESTS,
    ),
    Bug(
        "callers are told before the commit",
        "the function has returned, the commit is a formality",
        (
            Edit(WRITER, "            appended = await self._appender.send(batch,",
                 '            await self._appender.connection.execute("BEGIN")\n'
                 "            appended = await self._appender.send(batch,"),
            Edit(WRITER, "        if appended.refused:\n            await self._retry_refused",
                 '        if self._appender is not None:\n'
                 '            await self._appender.connection.execute("COMMIT")\n'
                 "        if appended.refused:\n            await self._retry_refused"),
        ),
        (OUTCOME_TESTS,),
    ),
    bug(
        "an unwritten copy counts as written",
        "Postgres has it",
        ACKNOWLEDGE, "                if pending.wait_for_mirror:\n                    refuse(",
        "                if False:\n                    refuse(",
        SIMULATE, ACKNOWLEDGE_TESTS,
    ),
    bug(
        "appends go on while the copy cannot be written",
        "it will be copied when there is space again",
        WRITER, "        if wait_for_mirror and self._acknowledger.trouble is not None:\n",
        "        if False:\n",
        ACKNOWLEDGE_TESTS,
    ),
    bug(
        "a healed copy is not brought level",
        "it opens again, so it is well again",
        ACKNOWLEDGE, "                    await self.mirror.catch_up(head_position)\n", "",
        ACKNOWLEDGE_TESTS,
    ),
    bug(
        "what was found in Postgres is told before it is copied",
        "it was committed long ago",
        ACKNOWLEDGE, "        if any(committed.block is None for committed in group):\n",
        "        if False:\n",
        SIMULATE, OUTCOME_TESTS,
    ),
    bug(
        "who sent the same key at the same time is not answered",
        "the first one got the receipt",
        ACKNOWLEDGE,
        "    for follower in pending.followers:\n        resolve(",
        "    for follower in ():\n        resolve(",
        SIMULATE, LOG_TESTS,
    ),
    bug(
        "an unknown commit counts as failed, and is sent again",
        "no answer means that nothing happened",
        WRITER, "            pending.maybe_sent, pending.looked_up_on = True, batch.formed_on(pending)\n", "",
        SIMULATE, OUTCOME_TESTS,
    ),
    bug(
        "an unknown commit is told as failed",
        "no answer means that nothing happened",
        WRITER, "            unknown = may_stand or pending.maybe_sent ",
        "            unknown = False ",
        SIMULATE, OUTCOME_TESTS,
    ),
    Bug(
        "an unknown commit counts as done",
        "it was sent, so it will have arrived",
        (
            Edit(
                WRITER,
                "        elif commands[0].attempts <= ATTEMPTS_MAX:\n            self._again += commands\n",
                "        elif commands[0].attempts <= ATTEMPTS_MAX:\n"
                "            for pending in commands:\n"
                "                first = self.head_position + 1\n"
                "                self.head_position += len(pending.command.events)\n"
                "                receipt = Receipt(first, self.head_position, {}, '2026-01-01T00:00:00Z')\n"
                "                pending.future.set_result(receipt)\n",
            ),
        ),
        (SIMULATE, OUTCOME_TESTS),
    ),
    bug(
        "a refused command that may stand is sent again",
        "it was refused, so it is not there",
        WRITER, "                if pending.maybe_sent and await self._was_committed(pending):\n",
        "                if False:\n",
        SIMULATE, OUTCOME_TESTS,
    ),
    bug(
        "who was looked up once is not looked up again",
        "it was not there, and nobody else sends it",
        WRITER, "p.looked_up_on != p.known_in(self._known)", "p.looked_up_on is None",
        "tests/eventlog/test_refreshed.py",
    ),
    bug(
        "a repeat after an unknown outcome is not looked up",
        "who sends it again wants it appended",
        WRITER, "self._outcomes.is_doubtful(command.events[0].id)", "False",
        SIMULATE, OUTCOME_TESTS,
    ),
    bug(
        "an event id that is found counts for another command",
        "the first receipt at hand will do",
        OUTCOME, ".get(events[0].id)\n", ".get(events[0].id, 1)\n",
        SIMULATE, OUTCOME_TESTS,
    ),
    bug(
        "a broken connection is the caller's error",
        "whoever called knows best what to do",
        "eventlog/postgres/connect.py", "    return isinstance(error, _BROKEN) or ", "    return ",
        SIMULATE, OUTCOME_TESTS,
    ),
    bug(
        "refused groups are acknowledged",
        "the batch was committed",
        "eventlog/accepted.py", "        if refused and batch.group_of(entry) in refused:\n",
        "        if False:\n",
        SIMULATE, WRITER_TESTS,
    ),
    bug(
        "refused groups move what is known of their streams",
        "the batch was committed",
        WRITER, "            if slot.group not in appended.refused:\n", "            if True:\n",
        SIMULATE, WRITER_TESTS,
    ),
    bug(
        "the epoch of a new connection is not looked at",
        "it is the same log",
        WRITER, "            if self._appender.epoch != self._epoch:\n", "            if False:\n",
        "tests/eventlog/test_epoch.py",
    ),
    bug(
        "Postgres is told what is committed, not what is synced",
        "it is synced in a moment",
        WRITER, "self._appender.send(batch, self._acknowledger.mirror.durable_position)",
        "self._appender.send(batch, self.head_position)",
        "tests/eventlog/test_acknowledge.py", SIMULATE,
    ),
    bug(
        "subscribers are woken before the commit",
        "it saves them a moment",
        WRITER, "        appended = await self._send(batch)\n",
        "        self.head_position += len(batch.events)\n"
        "        moved, self._moved = self._moved, asyncio.Event()\n"
        "        moved.set()\n"
        "        appended = await self._send(batch)\n",
        "tests/eventlog/test_waking.py",
    ),
    bug(
        "a batch with others before it is written as it is",
        "batches follow one another",
        MIRROR, "        blocks = _without_gap(blocks)\n", "",
        MIRROR_TESTS,
    ),
    bug(
        "copied rows are not checked against their hash",
        "they come from our own database",
        MIRROR, "        check_row(stored)\n        chain", "        chain",
        MIRROR_TESTS,
    ),
    bug(
        "copied rows need not continue the chain",
        "positions continue, that is enough",
        MIRROR, "        if stored.chain is not None and stored.chain != chain:\n", "        if False:\n",
        MIRROR_TESTS,
    ),
    bug(
        "a missing row is skipped in copying",
        "what is not there cannot be copied",
        MIRROR, "    if not page or page[0].position != position + 1:\n", "    if not page:\n",
        MIRROR_TESTS,
    ),
    bug(
        "the rest of a page that was too long is skipped",
        "the page was copied, on to the next",
        MIRROR, "self._append, [_copied(page, chain)])\n",
        "self._append, [_copied(page, chain)])\n                head = page[-1].position\n",
        MIRROR_TESTS, PAGES_TESTS,
    ),
    bug(
        "what the copy lacks is not copied at opening",
        "the next append brings it",
        LOG, '            await mirror.catch_up(head["position"], progress)\n', "",
        SIMULATE, MIRROR_TESTS,
    ),
    bug(
        "the heads are not compared at opening",
        "both copies are ours",
        LOG, "            await compare_heads(mirror, reads)\n            await mirror",
        "            await mirror",
        MIRROR_TESTS,
    ),
    bug(
        "the heads are not compared when Postgres comes back",
        "it was only away for a moment",
        LOG, "            await compare_heads(mirror, reads)\n            await appender",
        "            await appender",
        MIRROR_TESTS,
    ),
    bug(
        "heads are compared by position alone",
        "the same length, the same log",
        MIRROR, "    if chain == expected:\n", "    if chain is not None:\n",
        MIRROR_TESTS,
    ),
    bug(
        "a read skips the border between two pages",
        "the next page begins after the next one",
        LOG, "            after = block[-1].position\n            yield block\n\n    async",
        "            after = block[-1].position + 1\n            yield block\n\n    async",
        PAGES_TESTS,
    ),
    bug(
        "a subscriber skips a gap",
        "it goes on with what there is",
        "eventlog/subscription.py",
        "                if event.position != position + 1:\n",
        "                if event.position <= position:\n",
        "tests/eventlog/test_subscription.py",
    ),
    bug(
        "a forked child may use the log",
        "it has all that it needs",
        "eventlog/home.py", "        if self._forks != forks():\n", "        if False:\n",
        "tests/eventlog/test_fork.py",
    ),
)  # fmt: skip
