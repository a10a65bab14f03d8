"""Where many flows have short work done: what has come together is done by one thread, in one go.

A thread for each row that goes into the ledger costs more than the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import trio


class Job:
    """One piece of work. ``called`` is set when it is done, or when it is to do what waits."""

    __slots__ = ("call", "called", "done", "error", "result")

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.called = trio.Event()
        self.done = False
        self.result: Any = None
        self.error: Exception | None = None


class Desk:
    """Does short work for all flows of a program; see ``mailhaul.flows.requests.LedgerCall``."""

    def __init__(self) -> None:
        self._waiting: list[Job] = []
        self._busy = False
        # Work that hangs may hold all threads that others share.
        self._limiter = trio.CapacityLimiter(1)

    async def do(self, call: Callable[[], Any]) -> Any:
        """Return the result of a call, or raise what it raises. A cancellation waits for that."""
        job = Job(call)
        self._waiting.append(job)
        with trio.CancelScope(shield=True):
            if self._busy:
                await job.called.wait()
            if not job.done:
                await self._work_off()
        if job.error:
            raise job.error
        return job.result

    async def _work_off(self) -> None:
        """Do all that waits; who came meanwhile has the first of them do the rest."""
        self._busy = True
        jobs, self._waiting = self._waiting, []
        try:
            await trio.to_thread.run_sync(do_all, jobs, limiter=self._limiter)
        except Exception as failure:
            # There was no thread to be had.
            for job in jobs:
                job.error, job.done = failure, True
        for job in jobs:
            job.called.set()
        if self._waiting:
            self._waiting[0].called.set()
        else:
            self._busy = False


def do_all(jobs: Sequence[Job]) -> None:
    """Do all jobs in their order, and equal ones once, where the last of them stands."""
    same: dict[Callable[[], Any], list[Job]] = {}
    for job in jobs:
        alike = same.pop(job.call, [])
        same[job.call] = [*alike, job]
    for call, alike in same.items():
        do_one(call, alike)


def do_one(call: Callable[[], Any], jobs: Sequence[Job]) -> None:
    """Call once; all of these have the result."""
    result: Any = None
    error: Exception | None = None
    try:
        result = call()
    except Exception as failure:
        error = failure
    for job in jobs:
        job.result, job.error, job.done = result, error, True
