"""An event loop in virtual time whose order is drawn from a seed, threads included.

Work for threads runs in real threads, one at a time: whoever runs pauses at the calls of its Io, and
the seed says who goes on. So two processes meet in the middle of a write, the same way each time.
Nothing waits: when nobody can run, the clock jumps to the next timer.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import threading
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

STEP_S = 20e-6
LIFE_S = 24 * 3600.0
STEPS_MAX = 100_000  # a run takes a thousand


class Stuck(Exception):
    """Nobody can go on: everybody waits for somebody else."""


class Job:
    """A function on its way through a thread."""

    def __init__(self, function: Callable[[], Any], future: asyncio.Future[Any], executor: object) -> None:
        self.future = future
        self.executor = executor
        self.is_done = False
        self.started = False
        self._function = function
        self._result: Any = None
        self._error: BaseException | None = None
        self._resume, self._paused = threading.Semaphore(0), threading.Semaphore(0)

    def go_on(self) -> None:
        """Run until the job pauses or ends. Called by the loop's thread."""
        if not self.started:
            self.started = True
            threading.Thread(target=self._main, daemon=True).start()
        else:
            self._resume.release()
        self._paused.acquire()

    def pause(self) -> None:
        """Let others run. Called by the job's own thread."""
        self._paused.release()
        self._resume.acquire()

    def run_whole(self) -> None:
        """Run to the end in the loop's thread."""
        self.started = True
        self._run()

    def tell(self) -> None:
        if self.future.done():
            return
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._result)

    def _main(self) -> None:
        self._run()
        self._paused.release()

    def _run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:
            self._error = error
        self.is_done = True


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs callbacks, timers and thread work in an order drawn from `random`."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self._now = 1000.0
        self._steps = 0
        self._jobs: list[Job] = []
        self._running: Job | None = None
        self.set_exception_handler(self._note)
        self.complaints: list[str] = []

    def time(self) -> float:
        return self._now

    def pause(self) -> None:
        """Called before each call of an Io: a job may have to wait there for others."""
        job = self._running
        if job is not None and self._random.random() < 0.4:
            job.pause()

    def wait_for_others(self) -> None:
        """Let somebody else go on, because a lock is held: from a job, or from the loop itself."""
        job = self._running
        if job is not None:
            job.pause()
            return
        others = [other for other in self._startable() if other.started]
        if not others:
            raise Stuck("a lock is held by nobody who can go on")
        self._advance(self._random.choice(others))

    def run_in_executor(self, executor: Any, function: Callable[..., Any], *arguments: Any) -> Any:
        future = self.create_future()
        context = contextvars.copy_context()
        job = Job(lambda: context.run(function, *arguments), future, executor)
        self._jobs.append(job)
        return future

    def _startable(self) -> list[Job]:
        """Jobs that can go on; those of one executor run one after the other."""
        found, busy = [], set()
        for job in self._jobs:
            if job.executor is None or id(job.executor) not in busy:
                found.append(job)
                busy.add(id(job.executor))
        return found

    def _advance(self, job: Job) -> None:
        if not job.started and self._random.random() < 0.5:
            self._jobs.remove(job)
            job.run_whole()
        else:
            self._running = job
            job.go_on()
            self._running = None
            if not job.is_done:
                return
            self._jobs.remove(job)
        self.call_soon(job.tell)

    def _run_once(self) -> None:
        """One step: one callback, or one slice of a job; time passes."""
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise Stuck("everybody is busy and nobody gets anywhere")
        ready: deque[Any] = self._ready  # type: ignore[attr-defined]
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        random = self._random
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        jobs = self._startable() if self._jobs else []
        if not ready and not jobs:
            if not timers:
                raise Stuck("everybody waits and no timer runs")
            self._now = max(self._now, timers[0]._when)
            if self._now > LIFE_S:
                raise Stuck("the day is over, and somebody still waits")
        else:
            self._now += random.random() * STEP_S
        while timers and timers[0]._when <= self._now:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            ready.append(timer)
        if jobs and (not ready or random.random() < 0.5):
            self._advance(random.choice(jobs))
        elif ready:
            if len(ready) > 1 and random.random() < 0.5:
                ready.rotate(-random.randrange(len(ready)))
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _note(self, loop: object, context: dict[str, Any]) -> None:
        """Keep what asyncio would log: an exception that nobody took."""
        self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _process_events(self, event_list: object) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""
