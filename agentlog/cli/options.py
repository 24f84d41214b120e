"""Options that every command takes, and those that many take: their names, and what they mean where that is
always the same. The rest is in the docstring of each command.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

# Nobody types --no-…: what is not said is off.
Flag = Annotated[bool, Parameter(negative="")]

# How much, and where to go on.
PageLimit = Annotated[int, Parameter(name=["--limit", "-n"], help="At most so many, up to 1,000.")]
Limit = Annotated[int, Parameter(name=["--limit", "-n"], help="At most so many.")]
AfterPosition = Annotated[int, Parameter(name="--after", help="Only of positions above this: the next page.")]

# Seconds, as the unit at the end of the name says, and moments.
LeaseTime = Annotated[float, Parameter(name="--lease-s")]
TimeToLive = Annotated[float | None, Parameter(name="--ttl-s")]
Timeout = Annotated[float | None, Parameter(name="--timeout-s", help="Stop after so many seconds.")]
Interval = Annotated[float, Parameter(name="--interval-s", help="Look again after so many seconds.")]
At = Annotated[str | None, Parameter(name="--at")]

# What is said of work.
OwnId = Annotated[str | None, Parameter(help="An id of your own, so that enqueuing twice is refused.")]
Token = Annotated[int, Parameter(help="That claiming printed: the claim's position in the log.")]
Result = Annotated[str | None, Parameter(help="JSON; anything else is taken as text.")]
Reason = Annotated[str | None, Parameter(help="Why.")]
IfPending = Annotated[bool, Parameter(negative="", help="Only if it still waits.")]

STORE = Group("Which log, and how to answer", sort_key=1000)


@Parameter(name="*", group=STORE)
@dataclass(frozen=True, kw_only=True)
class Options:
    """Which log, whose data, and how to answer."""

    data: Annotated[
        Path | None, Parameter(group=STORE, help="Data directory. Default: AGENTLOG_DATA, else ./data.")
    ] = None
    postgres: Annotated[
        str | None,
        Parameter(
            group=STORE,
            help="postgresql:// URL. Default: AGENTLOG_POSTGRES, else a server inside of the data directory.",
        ),
    ] = None
    tenant: Annotated[
        str | None,
        Parameter(
            group=STORE, help="Whose data. Default: AGENTLOG_TENANT, else the data that has no tenant."
        ),
    ] = None
    json: Annotated[
        bool, Parameter(group=STORE, negative="", help="Answer in JSON: one document, or one line per row.")
    ] = False


NO_OPTIONS = Options()
