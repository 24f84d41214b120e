"""The life of one job at a provider. Stream kind `external_job`, one stream per job.

Every act on a job is claimed before it is done, until a time that stands in the claim: whoever is
still at it when that is over may find that another has begun.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from eventlog.events.fields import NULL, Count, Seconds, Time, Word


class JobEnqueued(msgspec.Struct, frozen=True, omit_defaults=True):
    """A provider works on `request`; ask it from `poll_at` on. `callback` is the SHA-256 of a token, in hex:
    who shows the token may say how the job ended."""

    provider: Word
    request: Raw
    poll_at: Time
    session: str | None = None
    external_id: str | None = None
    poll_interval_s: Seconds = 10.0
    timeout_at: Time | None = None
    deliveries_max: Count = 5
    callback: str | None = None
    source: Raw = NULL


class JobUpdated(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is given is so from now on; the rest stays. More deliveries bring back what was given up."""

    external_id: str | None = None
    poll_at: Time | None = None
    timeout_at: Time | None = None
    deliveries_max: Count | None = None
    progress: Raw = NULL


class JobPollClaimed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A worker is about to ask the provider; nobody else does so before `until`."""

    worker: str
    until: Time


class JobPolled(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider was asked and is still at work; ask again at `poll_at`."""

    poll_at: Time
    progress: Raw = NULL


class JobPollFailed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider could not be asked, which says nothing about the job; ask again at `poll_at`."""

    poll_at: Time
    reason: str | None = None


class JobCompleted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider did it."""

    result: Raw = NULL


class JobFailed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider says that it cannot or will not do it."""

    reason: str | None = None


class JobTimedOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Nobody waits for the provider any more; what it does later is not taken."""


class JobCancelled(msgspec.Struct, frozen=True, omit_defaults=True):
    """Nobody wants the result any more, and nothing is delivered."""

    reason: str | None = None


class JobDeliveryClaimed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A worker is about to deliver how the job ended. Counts as an attempt, whatever becomes of it."""

    worker: str
    until: Time


class JobDelivered(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the job ended is known where it was wanted."""


class JobDeliveryFailed(msgspec.Struct, frozen=True, omit_defaults=True):
    """It was not delivered; try again at `retry_at`, or, without one, not any more."""

    retry_at: Time | None = None
    reason: str | None = None


class JobDeleted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The job is not there any more. The log keeps what it was."""

    reason: str | None = None


ExternalEvent = (
    JobEnqueued
    | JobUpdated
    | JobPollClaimed
    | JobPolled
    | JobPollFailed
    | JobCompleted
    | JobFailed
    | JobTimedOut
    | JobCancelled
    | JobDeliveryClaimed
    | JobDelivered
    | JobDeliveryFailed
    | JobDeleted
)
