"""Every setting of the log in one frozen struct: its unit, its default, and why.

Read from arguments, then from the environment (`AGENTLOG_…`), nowhere else. Documented in
docs/reference/settings.md; a test compares.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from eventlog.errors import BadInput

DURABILITIES = ("both", "postgres")
SCRUB_EVENTS_PER_S_MAX = 1_000_000
RETRIES_LIMIT = 100
BATCH_BYTES_LIMIT = 32 * 1024 * 1024  # a batch becomes one block, of at most 64 MiB of lines

_AT_LEAST_1 = (
    "batch_events_max",
    "batch_bytes_max",
    "queue_commands_max",
    "cached_streams_max",
    "read_connections_max",
    "archive_memory_bytes",
)
_ABOVE_0_S = (
    "connect_timeout_s",
    "command_timeout_s",
    "poll_interval_s",
    "segment_age_max_s",
    "idempotency_ttl_s",
    "read_connection_wait_s",
    "read_connection_idle_max_s",
    "read_connection_age_max_s",
    "retry_wait_s",
    "retry_wait_max_s",
)


# Other defaults, by name. Tiers of memory: what is kept and what may wait, for a small board, a usual
# machine (the defaults themselves) and a large one. high_throughput: many readers, larger batches.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "cached_streams_max": 10_000,
        "queue_commands_max": 1_000,
        "batch_bytes_max": 2 * 1024 * 1024,
        "read_connections_max": 2,
        "archive_memory_bytes": 128_000_000,
    },
    "medium": {},
    "large": {
        "cached_streams_max": 1_000_000,
        "queue_commands_max": 50_000,
        "batch_bytes_max": 16 * 1024 * 1024,
        "read_connections_max": 8,
        "archive_memory_bytes": 2_000_000_000,
    },
    "high_throughput": {
        "batch_events_max": 128,
        "read_connections_max": 32,
        "read_connection_wait_s": 10.0,
        "read_connection_idle_max_s": 300.0,
        "read_connection_age_max_s": 900.0,
        "retry_wait_s": 0.05,
        "retry_wait_max_s": 2.0,
    },
}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one opened log.

    Raises BadInput at construction when a value is out of range; the message names it.
    """

    # Who may hear "appended", and when. "both": after the Postgres commit and the local
    # fdatasync. "postgres": after the commit; the segment follows in the background.
    durability: str = "both"
    # Postgres schema that holds the log; one log per schema.
    schema: str = "agentlog"
    # Events in one append batch. Larger batches save round trips, smaller ones let the commit of
    # one overlap with the callers of the one before; the optimum is flat between 64 and 128.
    batch_events_max: int = 96
    # Bytes of payload in one batch; bounds memory and the time the gate is held.
    batch_bytes_max: int = 8 * 1024 * 1024
    # Commands waiting for the writer before `append` makes callers wait: back-pressure.
    queue_commands_max: int = 10_000
    # Payloads of at least this many bytes are sent and stored zstd-compressed in Postgres. Rows from
    # about 2 KB on are stored out of line, which costs more than compressing what is just below it.
    compress_min_bytes: int = 1664
    # Level of zstd for payloads and segment blocks. 1 costs a third of 3 and gives up 5 % of size.
    zstd_level: int = 1
    # A segment is closed and sealed at this size or age.
    segment_bytes_max: int = 64 * 1024 * 1024
    segment_age_max_s: float = 24 * 3600.0
    # States of streams kept in memory by the writer, counted in streams.
    cached_streams_max: int = 100_000
    # Payloads of messages kept decoded for sessions that are loaded again and again, in bytes. 0: none.
    cached_messages_bytes_max: int = 64 * 1024 * 1024
    # How long a connection attempt may take, and a statement outside of migrations and replay.
    connect_timeout_s: float = 10.0
    command_timeout_s: float = 60.0
    # How long `append` waits for Postgres to come back before LogUnavailable. 0: at once.
    unavailable_wait_s: float = 0.0
    # How long an idempotency key is remembered.
    idempotency_ttl_s: float = 7 * 24 * 3600.0
    # Connections for reads; the writer has its own.
    read_connections_max: int = 4
    # How long a read waits for one of them to be free: as long as a statement may take, and no longer.
    read_connection_wait_s: float = 60.0
    # A connection for reads is closed after lying idle, and after living, for so long: firewalls forget
    # quiet connections, and balancers send only new ones to a new server. Half an hour, as pools do.
    read_connection_idle_max_s: float = 600.0
    read_connection_age_max_s: float = 1800.0
    # How often a read is asked again after a failure that passes by itself (a lost connection, a server
    # that starts, a deadlock), and how long it waits before: twice as long each time, up to the limit.
    # 0.1 s, 0.2 s and 0.4 s outlast a failover of a connection pooler, and keep nobody who is cut off.
    retries_max: int = 3
    retry_wait_s: float = 0.1
    retry_wait_max_s: float = 5.0
    # Bytes that one question to the archive may hold in memory; beyond, DuckDB spills to disk.
    archive_memory_bytes: int = 512_000_000
    # How long a subscriber sleeps when no notification came. Notifications are only a hint.
    poll_interval_s: float = 1.0
    # Events per second, of each copy, that a scrub in the background reads. 0: none runs.
    scrub_events_per_s: float = 0.0

    def __post_init__(self) -> None:
        if self.durability not in DURABILITIES:
            raise BadInput(f"durability {self.durability!r} must be one of {', '.join(DURABILITIES)}")
        for name in _AT_LEAST_1:
            if not getattr(self, name) >= 1:
                raise BadInput(f"{name} is {getattr(self, name)} and must be at least 1")
        for name in _ABOVE_0_S:
            if not 0 < getattr(self, name) < math.inf:
                raise BadInput(f"{name} is {getattr(self, name)} and must be above 0 seconds, and finite")
        if not 0 <= self.unavailable_wait_s < math.inf:
            raise BadInput(
                f"unavailable_wait_s is {self.unavailable_wait_s} and must be 0 seconds or more, and finite"
            )
        if not 0 <= self.scrub_events_per_s <= SCRUB_EVENTS_PER_S_MAX:
            raise BadInput(
                f"scrub_events_per_s is {self.scrub_events_per_s} and must be from 0 (no scrub)"
                f" to {SCRUB_EVENTS_PER_S_MAX:,}"
            )
        if not 0 <= self.retries_max <= RETRIES_LIMIT:
            raise BadInput(f"retries_max is {self.retries_max} and must be from 0 to {RETRIES_LIMIT}")
        for name in ("compress_min_bytes", "cached_messages_bytes_max"):
            if not getattr(self, name) >= 0:
                raise BadInput(f"{name} is {getattr(self, name)} and must be 0 or more")
        if self.batch_events_max > 10_000:
            raise BadInput(f"batch_events_max is {self.batch_events_max} and must be at most 10,000")
        if self.batch_bytes_max > BATCH_BYTES_LIMIT:
            raise BadInput(
                f"batch_bytes_max is {self.batch_bytes_max} and must be at most {BATCH_BYTES_LIMIT:,}"
            )
        if self.segment_bytes_max < 4096:
            raise BadInput(f"segment_bytes_max is {self.segment_bytes_max} and must be at least 4096 bytes")
        if not 1 <= self.zstd_level <= 19:
            raise BadInput(f"zstd_level is {self.zstd_level} and must be from 1 to 19")

    @classmethod
    def preset(cls, *names: str, **changed: Any) -> Settings:
        """Return the defaults of presets (PRESETS; a later one wins), with the given settings changed.

        Raises BadInput when there is no such preset.
        """
        values: dict[str, Any] = {}
        for name in names:
            if name not in PRESETS:
                raise BadInput(f"preset {name!r} is not known", hint=f"use {', '.join(PRESETS)}")
            values |= PRESETS[name]
        return cls(**values | changed)
