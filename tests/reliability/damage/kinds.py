"""Kinds of damage to one copy of a log: how it is done, what verify must name, how it is mended.

A table: `segment_kinds` and `postgres_kinds` for one copy, `both_kinds` for both at once. Each kind is
done to the log of place.py by itself, and undone by the product (mending.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

from eventlog.errors import AgentlogError, Damaged
from projections.catalog import INLINE
from tests.reliability.damage.place import TABLES, Place

REPAIR = "repair"
RESTORE_POSTGRES = "restore postgres into an empty schema"
RESTORE_SEGMENTS = "restore segments into an empty directory"
MIGRATE = "schema migrate"

Damage = Callable[[Place], Awaitable[None]]
Positions = tuple[int, int | None]


class Kind(NamedTuple):
    """One kind of damage.

    Attributes:
        finds: area in which verify must name it; "" when it harms nothing: then it finds nothing.
        positions: first and last position it must name exactly; None where it is no matter of them.
        mends: how it is put right.
        refused: what `repair` must raise, with these positions, where it cannot be the way.
        keeps: whether something was replaced, which must then be in quarantine/.
    """

    name: str
    damage: Damage
    finds: str
    positions: Positions | None = None
    mends: str = REPAIR
    refused: type[AgentlogError] | None = None
    keeps: bool = True


def postgres_kinds(place: Place) -> Iterator[Kind]:
    """Kinds of damage in Postgres, except in projection tables."""
    end = place.head_position

    def sql(
        name: str, statements: str, finds: str, positions: Positions | None = None, **more: object
    ) -> Kind:
        async def damage(place: Place) -> None:
            await place.behind_the_guards(*statements.split(";"))

        return Kind(name, damage, finds, positions, **more)  # type: ignore[arg-type]

    change = "UPDATE {schema}.events SET %s WHERE position = %d"
    for name, value in EVENT_COLUMNS.items():
        if name != "compressed":
            yield sql(f"events.{name} changed", change % (f"{name} = {value}", 4), "postgres", (4, 4))
    yield sql("events.compressed of raw data", change % ("compressed = true", 4), "postgres", (4, 4))
    yield sql(
        "events.compressed of compressed data", change % ("compressed = false", 14), "postgres", (14, 14)
    )
    yield sql("events.data, compressed, one bit", change % (FLIPPED, 14), "postgres", (14, 14))
    yield sql("events.stream_id of another stream",
              change % ("stream_id = (SELECT id FROM {schema}.streams WHERE key = 'a:b'), version = 999", 4),
              "postgres", (4, 4))  # fmt: skip
    yield sql("events.chain changed", change % ("chain = sha256('x')", 4), "chain", (4, 4))
    yield sql("events.position far away", change % ("position = 1000000000000", 4), "postgres", (4, 4))
    yield sql("events.position below 1", change % ("position = -7", 4), "postgres", (4, 4))
    yield sql("events.position behind the head", change % (f"position = {end + 1}", 4), "postgres", (4, 4))
    delete = "DELETE FROM {schema}.events WHERE position BETWEEN %d AND %d"
    for first, last in ((1, 1), (4, 4), (5, 20), (end, end), (end - 3, end), (1, end)):
        yield sql(f"events {first} to {last} deleted", delete % (first, last), "postgres", (first, last),
                  keeps=False)  # fmt: skip
    insert = "INSERT INTO {schema}.events SELECT (e).* FROM (SELECT jsonb_populate_record(e, '%s') AS e" \
        " FROM {schema}.events e WHERE position = 4) AS x"  # fmt: skip
    for position in (end + 1, end + 100_000, -1, 0):
        yield sql(f"events {position} inserted", insert % f'{{"position": {position}, "version": 777}}',
                  "postgres", (position, position))  # fmt: skip
    streams = "UPDATE {schema}.streams SET %s WHERE key = 'a'"
    for column, value in {"version": "version + 1", "tenant": "'x'", "kind": "'x'", "key": "'x'"}.items():
        yield sql(
            f"streams.{column} changed", streams % f"{column} = {value}", "streams", keeps=column != "version"
        )
    yield sql("streams.id changed", "UPDATE {schema}.streams SET id = DEFAULT WHERE key = 'a'", "streams")
    yield sql("streams swapped", streams % "key = 'swap'"
              + "; UPDATE {schema}.streams SET key = 'a' WHERE key = 'a:b'"
              "; UPDATE {schema}.streams SET key = 'a:b' WHERE key = 'swap'", "streams")  # fmt: skip
    yield sql("streams: one deleted", "DELETE FROM {schema}.streams WHERE key = 'a'", "streams", keeps=False)
    yield sql("streams emptied", "DELETE FROM {schema}.streams", "streams", keeps=False)
    yield sql("streams: one inserted", "INSERT INTO {schema}.streams (tenant, kind, key, version)"
              " VALUES ('', 'session', 'x', 3)", "streams")  # fmt: skip
    head = "UPDATE {schema}.head SET %s"
    for name, value, area, positions in (
        ("log_id", "gen_random_uuid()", "postgres", None),
        ("position to one more", "position + 1", "postgres", (end + 1, end + 1)),
        ("position to 10^15", "1000000000000000", "postgres", (end + 1, 10**15)),
        ("position to less", "position - 5", "postgres", (end - 4, end)),
        ("position to 0", "0", "postgres", (1, end)),
        ("time", "time + interval '1 s'", "postgres", (end, end)),
        ("chain", "sha256('x')", "chain", (end, end)),
    ):
        yield sql(f"head.{name} changed", head % f"{name.split()[0]} = {value}", area, positions, keeps=False)
    yield sql("head.epoch changed", head % "epoch = epoch + 7", "", keeps=False)
    yield sql("head.projections changed", head % "projections = 'nothing:1'", "projections", None,
              mends=MIGRATE, keeps=False)  # fmt: skip
    yield sql("head deleted", "ALTER TABLE {schema}.head DISABLE TRIGGER USER; DELETE FROM {schema}.head",
              "postgres", None, mends=RESTORE_POSTGRES, refused=Damaged, keeps=False)  # fmt: skip
    keys = "UPDATE {schema}.idempotency_keys SET %s WHERE key = 'second key'"
    for column, value in {"tenant": "'x'", "key": "'x'", "first_position": "7", "event_count": "2"}.items():
        yield sql(f"idempotency_keys.{column} changed", keys % f"{column} = {value}", "keys", keeps=False)
    yield sql("idempotency_keys: one deleted", "DELETE FROM {schema}.idempotency_keys"
              " WHERE key = 'first key'", "keys", (16, 16), keeps=False)  # fmt: skip
    yield sql(
        "idempotency_keys emptied", "DELETE FROM {schema}.idempotency_keys", "keys", (16, 16), keeps=False
    )
    yield sql("idempotency_keys: one inserted", "INSERT INTO {schema}.idempotency_keys"
              " VALUES ('acme', 'bad', 13, 2, now() + interval '1 h')", "keys", (13, 14),
              keeps=False)  # fmt: skip
    mirrors = "UPDATE {schema}.mirrors SET durable_position = %s"
    yield sql("mirrors.durable_position too high", mirrors % (end + 9), "segments", (end + 1, end + 9),
              mends=RESTORE_SEGMENTS, keeps=False)  # fmt: skip
    yield sql("mirrors.durable_position too low", mirrors % 1, "", keeps=False)
    yield sql("mirrors emptied", "DELETE FROM {schema}.mirrors", "", keeps=False)
    everything = "; ".join(f"DELETE FROM {{schema}}.{name}" for name in TABLES)
    yield sql("every table emptied, the head reset", everything
              + "; UPDATE {schema}.head SET position = DEFAULT, time = DEFAULT, chain = DEFAULT",
              "copies", (1, end), keeps=False)  # fmt: skip
    yield Kind(
        "an older backup of Postgres", _older_backup, "copies", (place.older_position + 1, end), keeps=False
    )
    yield Kind("the whole schema lost", _no_schema, "schema", mends=RESTORE_POSTGRES, keeps=False)
    # The last one: nothing puts it back, for no event says how long a key is kept.
    yield sql("idempotency_keys.expires_at changed", keys % "expires_at = expires_at + interval '1 s'", "",
              mends="", keeps=False)  # fmt: skip


async def _older_backup(place: Place) -> None:
    await place.behind_the_guards(
        "ALTER TABLE {schema}.head DISABLE TRIGGER USER",
        *[
            statement
            for name in (*TABLES, "head", "mirrors")
            for statement in (
                f"DELETE FROM {{schema}}.{name}",
                f"INSERT INTO {{schema}}.{name}{OVERRIDING.get(name, '')}"
                f" SELECT * FROM {{schema}}_older_{name}",
            )
        ],
        "ALTER TABLE {schema}.head ENABLE TRIGGER USER",
    )


async def _no_schema(place: Place) -> None:
    await place.sql("DROP SCHEMA {schema} CASCADE")


async def projection_kinds(place: Place) -> list[Kind]:
    """Each column of each projection table changed; rows deleted and inserted; tables emptied."""
    found: list[Kind] = []

    def add(name: str, statement: str) -> None:
        async def damage(place: Place) -> None:
            await place.sql(statement)

        found.append(Kind(name, damage, "projections", keeps=False))

    for projection in INLINE:
        table = f"{{schema}}.{projection.name}"
        one = f"ctid = (SELECT min(ctid) FROM {table})"
        rows = await place.sql(
            "SELECT column_name, data_type FROM information_schema.columns"
            f" WHERE table_schema = '{place.schema}' AND table_name = '{projection.name}'"
        )
        assert await place.sql(f"SELECT 1 FROM {table}"), f"{projection.name} has no row to be damaged"
        for name, type in rows:
            add(f"{projection.name}.{name} changed",
                f"UPDATE {table} SET {name} = {OTHERWISE[type] % name} WHERE {one}")  # fmt: skip
        add(f"{projection.name}: a row deleted", f"DELETE FROM {table} WHERE {one}")
        add(f"{projection.name}: a row inserted",
            f"INSERT INTO {table} SELECT (jsonb_populate_record(t, '{{\"stream_id\": 4711}}')).*"
            f" FROM {table} t WHERE {one}")  # fmt: skip
        add(f"{projection.name} emptied", f"DELETE FROM {table}")
    return found


# A value of a column's type that is not the one there.
OTHERWISE = {
    "bigint": "coalesce(%s, 0) + 1000",
    "integer": "coalesce(%s, 0) + 1000",
    "numeric": "coalesce(%s, 0) + 1",
    "double precision": "coalesce(%s, 0) + 1",
    "boolean": "NOT coalesce(%s, false)",
    "text": "coalesce(%s, '') || 'x'",
    "ARRAY": "coalesce(%s, '{}') || ARRAY['x']",
    "timestamp with time zone": "coalesce(%s, now()) + interval '1 s'",
    "json": "'{\"other\": 1}' -- %s",
    "jsonb": "'{\"other\": 1}' -- %s",
}
EVENT_COLUMNS = {
    "stream_id": "stream_id + 1000",
    "version": "version + 100",
    "type": "type || 'x'",
    "schema": "schema + 1",
    "id": "gen_random_uuid()",
    "time": "time - interval '1 us'",
    "occurred_at": "now()",
    "encoding": "'base64'",
    "compressed": "NOT compressed",
    "data": "overlay(data PLACING '\\x31' FROM 4)",
    "meta": "'{\"a\":1}'",
    "hash": "sha256('x')",
}
FLIPPED = "data = set_bit(data, 99, 1 - get_bit(data, 99))"
OVERRIDING = {"streams": " OVERRIDING SYSTEM VALUE"}
