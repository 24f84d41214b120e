"""Where a log is and how it is opened: arguments first, then `AGENTLOG_…`, then defaults.

Opens nothing and reads no file. docs/reference/settings.md lists every name; a test compares.

    AGENTLOG_DATA       the data directory                       data
    AGENTLOG_POSTGRES   postgresql:// URL of a server of your own none: the embedded one
    AGENTLOG_TENANT     whose data the store may name            none: any tenant, "" unless named
    AGENTLOG_<SETTING>  one variable per field of Settings, e.g. AGENTLOG_ZSTD_LEVEL
    AGENTLOG_PRESET     presets of settings, a comma between       none
    AGENTLOG_PROJECTIONS  own inline projections (folds.py)        none
    AGENTLOG_DEBUG      1: the command line shows tracebacks
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import msgspec

from eventlog.envelope import MAX_TENANT_BYTES, check_text
from eventlog.errors import BadInput
from eventlog.settings import Settings

PREFIX = "AGENTLOG_"
DEFAULT_DATA = "data"
DATA, POSTGRES, TENANT, DEBUG = "AGENTLOG_DATA", "AGENTLOG_POSTGRES", "AGENTLOG_TENANT", "AGENTLOG_DEBUG"
PRESET, PROJECTIONS = "AGENTLOG_PRESET", "AGENTLOG_PROJECTIONS"
# What this project's own tests are told: no misspelling where they are run.
OF_TESTS = ("AGENTLOG_TRANSCRIPTS", "AGENTLOG_TEST_")
# Read by eventlog/embedded/binaries.py.
POSTGRES_BIN = "AGENTLOG_POSTGRES_BIN"

if TYPE_CHECKING:
    import asyncpg

    from eventlog.projection import InlineProjection

    # A URL, keyword arguments of asyncpg.connect, or an open pool of the program's own.
    Postgres: TypeAlias = str | Mapping[str, Any] | asyncpg.Pool
else:
    Postgres = Any  # `agentlog --help` waits for no driver


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What `agentlog.open` works with.

    Attributes:
        data: the data directory, as an absolute path.
        postgres: URL or connection arguments; None for the embedded server.
        tenant: whose data may be named; "" for any.
        settings: of the log.
        projections: a program's own, kept in the same transaction as this release's; texts say where they
            stand.
    """

    data: Path
    postgres: Postgres | None
    tenant: str
    settings: Settings
    projections: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        where = f"data={str(self.data)!r}, postgres={self.shown_postgres!r}"
        return f"Configuration({where}, tenant={self.tenant!r})"

    @property
    def folds(self) -> tuple[InlineProjection, ...]:
        """All inline projections of the store. Raises BadInput; see `folds_of`."""
        from agentlog.folds import folds_of

        return folds_of(self.projections)

    @property
    def shown_postgres(self) -> str:
        """Which server, for people: never a password."""
        return shown(self.postgres)


def configure(
    data: str | os.PathLike[str] | None = None,
    *,
    postgres: Postgres | None = None,
    tenant: str | None = None,
    settings: Settings | None = None,
    projections: Sequence[InlineProjection | str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Configuration:
    """Combine arguments, environment and defaults.

    `settings`, when given, counts as a whole: variables of single settings are then not read. An
    empty variable counts as unset.
    Raises:
        BadInput: a variable cannot be read as its setting, or is out of range; the URL is none.
    """
    variables = os.environ if environment is None else environment
    found = {name: value for name, value in variables.items() if value}
    chosen = postgres if postgres is not None else found.get(POSTGRES)
    if isinstance(chosen, str):
        check_url(chosen)
    owner = found.get(TENANT, "") if tenant is None else tenant
    return Configuration(
        # Absolute, because the process may change its directory while the store is open.
        data=Path(os.path.abspath(found.get(DATA, DEFAULT_DATA) if data is None else data)),
        postgres=chosen,
        tenant=check_text(owner, "tenant", MAX_TENANT_BYTES),
        settings=settings or settings_from(found),
        projections=tuple(_names(found.get(PROJECTIONS, "")) if projections is None else projections),
    )


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Return the settings that the environment asks for: a preset's, and what single variables say."""
    names = _names(environment.get(PRESET, ""))
    given = {}
    for field in msgspec.structs.fields(Settings):
        name = variable(field.name)
        if name in environment:
            try:
                given[field.name] = msgspec.convert(environment[name], type=field.type, strict=False)
            except msgspec.ValidationError as error:
                kind = getattr(field.type, "__name__", field.type)
                raise BadInput(
                    f"{name} is {environment[name]!r} and must be a {kind}", hint="correct or unset it"
                ) from error
    return Settings.preset(*names, **given)


def _names(text: str) -> list[str]:
    """Return the names in a text with commas between."""
    return [name.strip() for name in text.split(",") if name.strip()]


def variable(setting: str) -> str:
    """Return the name of the environment variable of a setting."""
    return PREFIX + setting.upper()


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return variables that look like ours and mean nothing: misspelt, mostly."""
    others = {DATA, POSTGRES, TENANT, DEBUG, PRESET, PROJECTIONS, POSTGRES_BIN}
    known = others | {variable(field) for field in Settings.__struct_fields__}
    ours = [name for name in environment if name.startswith(PREFIX) and not name.startswith(OF_TESTS)]
    return sorted(name for name in ours if name not in known)


def check_url(url: str) -> None:
    """Raise BadInput unless `url` can be a Postgres URL. The message does not quote it."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("postgresql", "postgres") and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False  # its message would quote a part of the URL, perhaps of the password
    if not usable:
        # `from None` for the same reason; the URL itself may hold a password in the wrong place.
        raise BadInput(
            "the Postgres URL cannot be read",
            hint="write postgresql://user:password@host:5432/database;"
            " in a password percent-encode /, @ and :",
        ) from None


def shown(postgres: Postgres | None) -> str:
    """Return a server's address for people: user, host, port and database."""
    if postgres is None:
        return "embedded"
    if not isinstance(postgres, str | Mapping):
        return "a pool of the program's own"
    if not isinstance(postgres, str):
        host, database = postgres.get("host", "localhost"), postgres.get("database", "")
        return f"{host}/{database}"
    parts = urlsplit(postgres)
    # Of what precedes the host only the user's name; of the query nothing, it may hold a password.
    user = parts.username or ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, f"{user}@{host}" if user else host, parts.path, "", ""))
