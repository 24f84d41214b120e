"""Generations of a session: what `/new` starts. On the session's stream.

Generation 0 begins with the session and needs no event.
"""

from __future__ import annotations

import msgspec

from eventlog.events.fields import Count


class GenerationStarted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The conversation starts over; earlier messages stay in the archive under their generation.

    `first_message` is how many messages the session had before it.
    """

    generation: Count
    first_message: Count
    reason: str | None = None


ArchiveEvent = GenerationStarted
