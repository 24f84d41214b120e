"""Work of the embedded store that outlives a restart, as events: provider jobs. Pure, as rsclaw.py.

The store's own page does not say what all members of a job are: those with a meaning here are read, and all
of them stand in `request`, verbatim.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from eventlog.errors import BadInput
from eventlog.events import (
    EXTERNAL_JOB,
    NULL,
    JobCompleted,
    JobDelivered,
    JobEnqueued,
    JobFailed,
    JobTimedOut,
    raw,
)
from replay.imports.facts import Facts
from replay.imports.rsclaw_values import a_json, a_time, time_of

PROVIDER = "rsclaw"
WAITING = ("Pending", "Polling")


def external_job(facts: Facts, key: str, value: Any) -> None:
    """A job as it stands: asked again at its time, or over and perhaps delivered."""
    job = a_json(value)
    match job:
        case {"status": str(status), "next_poll_at": int(poll_at)}:
            pass
        case _:
            raise BadInput(f"job {key!r} has no status and next_poll_at")
    enqueued = JobEnqueued(
        provider=_text(job, "provider") or PROVIDER,
        request=raw(Raw(value.encode())),
        poll_at=time_of(poll_at),
        session=_text(job, "session_key"),
        external_id=_text(job, "external_id"),
    )
    ended: JobCompleted | JobFailed | JobTimedOut | None = None
    match status:
        case "Done":
            ended = JobCompleted(NULL if job.get("result") is None else raw(job["result"]))
        case "Failed":
            ended = JobFailed(_text(job, "error"))
        case "TimedOut":
            ended = JobTimedOut()
        case _ if status not in WAITING:
            raise BadInput(f"status {status!r} is none of {', '.join(WAITING)}, Done, Failed, TimedOut")
    facts.add(EXTERNAL_JOB, key, enqueued, a_time(job.get("submitted_at")))
    if ended is not None:
        facts.add(EXTERNAL_JOB, key, ended)
        if job.get("delivered_at") is not None:
            facts.add(EXTERNAL_JOB, key, JobDelivered(), a_time(job["delivered_at"]))


def _text(job: dict[str, Any], name: str) -> str | None:
    value = job.get(name)
    return value if isinstance(value, str) and value else None
