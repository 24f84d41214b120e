"""Turns: of several that decided on the same state, the one whose turn is in the log was right.

Where a decision rests on more than one stream (a session works on one item at a time, a key runs n
tasks, equal tasks wait once), who decides also moves the version of the stream that stands for the
rule. Stream kinds: `queue` (key: a session), `task_lane` (key: a lane), `task_key` (key: a digest).
"""

from __future__ import annotations

import msgspec

from eventlog.events.fields import Time, Word


class TurnTaken(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody acted on what stood here: claimed `items`, or enqueued them under a rule.

    `tokens` is what is left of a lane's rate limit `at` that moment of the server's clock.
    """

    items: tuple[str, ...]
    act: Word
    tokens: float | None = None
    at: Time | None = None


LaneEvent = TurnTaken
