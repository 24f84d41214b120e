"""Other queues on Postgres, driven by their own calls: pgqueuer, procrastinate, and a bare SKIP LOCKED table.

Each has a database of its own on the server that ours uses. `take` claims up to a batch and completes it, by
the calls their workers make.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, Protocol

import asyncpg

PAYLOAD = b"x" * 200


class Peer(Protocol):
    """A queue: filled, then worked on by several workers at once."""

    name: str
    batches: tuple[int, ...]

    async def open(self, server: dict[str, Any], workers: int) -> None: ...
    async def fill(self, count: int) -> None: ...
    async def take(self, worker: int, batch: int) -> int: ...
    async def close(self) -> None: ...


class Bare:
    """The least there could be: one table, a claim by SKIP LOCKED, an update when it is done."""

    name = "bare SKIP LOCKED"
    batches = (1, 50)

    async def open(self, server: dict[str, Any], workers: int) -> None:
        self._connections = [await asyncpg.connect(**server) for _ in range(workers)]
        await self._connections[0].execute(
            "DROP TABLE IF EXISTS jobs; CREATE TABLE jobs (id bigserial PRIMARY KEY,"
            " status int NOT NULL DEFAULT 0, payload bytea); CREATE INDEX ON jobs (id) WHERE status = 0"
        )

    async def fill(self, count: int) -> None:
        await self._connections[0].execute(
            "INSERT INTO jobs (payload) SELECT $1 FROM generate_series(1, $2::bigint)", PAYLOAD, count
        )

    async def take(self, worker: int, batch: int) -> int:
        connection = self._connections[worker]
        rows = await connection.fetch(
            "UPDATE jobs SET status = 1 WHERE id = ANY(ARRAY(SELECT id FROM jobs WHERE status = 0 ORDER BY id"
            " LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING id, payload",
            batch,
        )
        await connection.execute("UPDATE jobs SET status = 2 WHERE id = ANY($1)", [row["id"] for row in rows])
        return len(rows)

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()


class Pgqueuer:
    """pgqueuer: dequeue a batch, log it as successful."""

    name = "pgqueuer"
    batches = (1, 50)

    async def open(self, server: dict[str, Any], workers: int) -> None:
        from pgqueuer.queries import EntrypointExecutionParameter, Queries

        self._connections = [await asyncpg.connect(**server) for _ in range(workers)]
        self._queries = [Queries.from_asyncpg_connection(connection) for connection in self._connections]
        if not await self._queries[0].schema_is_installed():
            await self._queries[0].install()
        self._entrypoints = {"bench": EntrypointExecutionParameter(0)}
        self._id = uuid.uuid4()

    async def fill(self, count: int) -> None:
        await self._queries[0].enqueue(["bench"] * count, [PAYLOAD] * count, [0] * count)

    async def take(self, worker: int, batch: int) -> int:
        queries = self._queries[worker]
        jobs = await queries.dequeue(batch, self._entrypoints, self._id, None, timedelta(seconds=30))
        await queries.log_jobs([(job, "successful", None) for job in jobs])
        return len(jobs)

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()


class Procrastinate:
    """procrastinate: fetch a job, finish it. One at a time is the only way it has."""

    name = "procrastinate"
    batches = (1,)

    async def open(self, server: dict[str, Any], workers: int) -> None:
        import procrastinate

        conninfo = " ".join(
            f"{theirs}={server[ours]}"
            for ours, theirs in [("host", "host"), ("port", "port"), ("user", "user"), ("database", "dbname")]
            if ours in server
        )
        connector = procrastinate.PsycopgConnector(conninfo=conninfo, min_size=workers, max_size=workers)
        self._app = procrastinate.App(connector=connector)
        await self._app.open_async()
        if not await self._app.check_connection_async():
            await self._app.schema_manager.apply_schema_async()
        self._worker = await self._app.job_manager.register_worker()

    async def fill(self, count: int) -> None:
        task = self._app.configure_task("bench")
        for start in range(0, count, 1000):
            await task.batch_defer_async(*[{"text": "x" * 200}] * min(1000, count - start))

    async def take(self, worker: int, batch: int) -> int:
        from procrastinate.jobs import Status

        manager = self._app.job_manager
        job = await manager.fetch_job(None, self._worker)
        if job is None:
            return 0
        await manager.finish_job(job, Status.SUCCEEDED, False)
        return 1

    async def close(self) -> None:
        await self._app.close_async()
