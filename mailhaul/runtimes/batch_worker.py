"""Runs short jobs of many flows in batches: one thread runs all that have been queued.

A thread for each row that goes into the ledger costs more than the row.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from .calls import SharedCall, run_all


class Job(SharedCall):
    """One call that a flow waits for.

    ``wake`` is set when the job is done, or when its flow has to run the jobs that are queued.
    """

    __slots__ = ("wake",)

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(call)
        self.wake = trio.Event()


class BatchWorker:
    """Runs short jobs for all flows of a program; see ``mailhaul.flows.requests.LedgerCall``."""

    def __init__(self) -> None:
        self._queued: list[Job] = []
        self._busy = False
        # Calls that hang may use up all the threads of trio's default limiter.
        self._limiter = trio.CapacityLimiter(1)

    async def run(self, call: Callable[[], object]) -> object:
        """Return the result of a call, or raise what it raises. A cancellation waits for that."""
        job = Job(call)
        self._queued.append(job)
        with trio.CancelScope(shield=True):
            if self._busy:
                await job.wake.wait()
            if not job.done:
                await self._run_queued()
        if job.error:
            raise job.error
        return job.result

    async def _run_queued(self) -> None:
        """Run every queued job. If more were queued meanwhile, wake the first to run those."""
        self._busy = True
        jobs, self._queued = self._queued, []
        try:
            await trio.to_thread.run_sync(run_all, jobs, limiter=self._limiter)
        except Exception as failure:
            # No thread could be started.
            for job in jobs:
                job.error, job.done = failure, True
        for job in jobs:
            job.wake.set()
        if self._queued:
            self._queued[0].wake.set()
        else:
            self._busy = False
