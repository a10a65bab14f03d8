"""Runs short jobs of many flows in batches: one thread runs all that have been queued.

A thread for each row that goes into the ledger costs more than the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio


class Job:
    """One call that a flow waits for.

    ``wake`` is set when the job is done, or when its flow has to run the jobs that are queued.
    """

    __slots__ = ("call", "done", "error", "result", "wake")

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call
        self.wake = trio.Event()
        self.done = False
        self.result: object = None
        self.error: Exception | None = None


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


def run_all(jobs: Sequence[Job]) -> None:
    """Run all jobs in order; equal calls run once, at the place of the last of them."""
    groups: dict[Callable[[], object], list[Job]] = {}
    for job in jobs:
        group = groups.pop(job.call, [])
        groups[job.call] = [*group, job]
    for call, group in groups.items():
        run_once(call, group)


def run_once(call: Callable[[], object], jobs: Sequence[Job]) -> None:
    """Call once and give the result to all these jobs."""
    result: object = None
    error: Exception | None = None
    try:
        result = call()
    except Exception as failure:
        error = failure
    for job in jobs:
        job.result, job.error, job.done = result, error, True
