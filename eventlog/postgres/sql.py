"""SQL texts by name: `Statements("agentlog").read_page` is queries/read_page.sql for that schema.

Only a checked schema name, the gate's key and registered projections' statements are ever put into
a text. Values travel as parameters.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from eventlog.errors import BadIdentifier
from eventlog.projection import InlineProjection

_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,47}\Z")


def check_schema(name: str) -> str:
    """Return a schema name that needs no quoting, or raise BadIdentifier."""
    if not _SCHEMA.match(name) or name.startswith("pg_") or name in ("public", "information_schema"):
        raise BadIdentifier(
            f"schema {name!r} must match [a-z][a-z0-9_]*, have at most 48 characters, "
            "and be neither public, information_schema nor pg_…"
        )
    return name


@cache
def text(folder: str, name: str) -> str:
    """Return the text of `<folder>/<name>.sql` of this package."""
    return (files("eventlog.postgres") / folder / f"{name}.sql").read_text()


def gate_key(schema: str) -> int:
    """Advisory lock key of a log: positions of one schema are given out under this lock."""
    digest = hashlib.sha256(b"agentlog gate " + schema.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


FUNCTIONS = ("append", "append_one", "register_mirror", "forget_keys")


def functions_sql(schema: str, projections: Sequence[InlineProjection]) -> str:
    """Return the text that makes the functions, with the projections' upserts inside.

    Its last statement marks them with the digest of all before it: `functions_mark`.
    """
    made = _functions(schema, projections)
    return f"{made}\nCOMMENT ON FUNCTION {schema}.append IS '{functions_mark(schema, projections)}';"


def functions_mark(schema: str, projections: Sequence[InlineProjection]) -> str:
    """Return the comment that functions made from these texts carry."""
    return f"agentlog {hashlib.sha256(_functions(schema, projections).encode()).hexdigest()}"


def _functions(schema: str, projections: Sequence[InlineProjection]) -> str:
    # Most batches write to one table; an INSERT of no rows would still cost 20 us. Each table's rows
    # come as a text of their own: to look one up in a common JSON object of 64 rows took 125 to
    # 200 us, and a batch looked seven times.
    upserts = "\n\n".join(
        f"    IF '{projection.name}' = ANY (row_tables) THEN\n"
        f"    rows := row_texts[array_position(row_tables, '{projection.name}')];\n"
        f"{projection.upsert_sql.rstrip().rstrip(';')};\n    END IF;"
        for projection in projections
    )
    return "\n".join(
        text("functions", name)
        .replace("{upserts}", upserts)
        .replace("{gate}", str(gate_key(schema)))
        .replace("{schema}", schema)
        for name in FUNCTIONS
    )


class Statements:
    """The queries of this package for one schema, each by its file name."""

    def __init__(self, schema: str) -> None:
        self.schema = check_schema(schema)

    def __getattr__(self, name: str) -> str:
        try:
            statement = text("queries", name).replace("{schema}", self.schema)
        except FileNotFoundError:
            raise AttributeError(f"no statement queries/{name}.sql") from None
        setattr(self, name, statement)
        return statement

    def states(self, projections: Sequence[InlineProjection]) -> str:
        """Return one query for streams and what projections hold of them, all of one moment.

        Parameters as find_streams. A row per stream has its columns, and NULL as `projection` and `state`; a
        row per state has only `id`, `projection` (its name) and `state` (JSON text).
        One query, since whoever appends to a stream nobody knew waits for each further round trip.
        """
        states = [
            f"SELECT NULL, NULL, NULL, stream_id, NULL, '{p.name}', state FROM (\n{_loading(p)}\n) AS loaded"
            for p in projections
        ]
        streams = "SELECT tenant, kind, key, id, version, NULL AS projection, NULL AS state FROM found"
        found = f"WITH found AS MATERIALIZED (\n{self.find_streams}\n)"
        return f"{found}\n" + "\nUNION ALL\n".join([streams, *states]).replace("{schema}", self.schema)


def _loading(projection: InlineProjection) -> str:
    """A projection's load_sql, of the streams in `found`."""
    ids = f"(SELECT array_agg(id) FROM found WHERE kind = '{projection.kind}')::bigint[]"
    return projection.load_sql.rstrip().rstrip(";").replace("$1", ids)
