"""The options that every command takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

# How long a page is, wherever there are pages.
Limit = Annotated[int, Parameter(name=["--limit", "-n"])]

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
