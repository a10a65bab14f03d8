"""What the daemon tells about itself: the state of each job, metrics, and health."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import trio

from ...adapters.ledger.rests import rests
from ...adapters.ledger.results import EntryResult, Waiting, waiting
from ...adapters.ledger.store import LedgerFault, Rest
from ..polls.context import PollContext
from ..polls.fleet_status import FleetStatus, described_fleet
from ..polls.health import health
from ..polls.jobs import Job, JobState
from ..polls.metrics import Facts, render
from ..polls.pool import PollPool
from ..polls.status import (
    DaemonFacts,
    EntryStatus,
    Live,
    document,
    own_facts,
    rest_for,
    waiting_for,
)
from .scheduler import Scheduler

LATE = 120.0
"""Seconds by which a poll may be late before the daemon is not healthy."""
LEDGER_SECONDS = 5.0
"""Seconds that the ledger may take to say what waits; without an answer the last one is used."""


class View:
    """Reads the state of the daemon for others. ``interval`` returns that of the polls."""

    def __init__(self, scheduler: Scheduler, pool: PollPool, interval: Callable[[], int]) -> None:
        self.scheduler = scheduler
        self._pool = pool
        self._interval = interval
        self._since = time.time()
        self._waiting: Sequence[Waiting] = ()
        self._rests: Mapping[str, Rest] = {}
        self._expiry: Mapping[Job, float] = {}
        self._octets = 0
        self._fleet: FleetStatus | None = None
        # A ledger on a disk that hangs may keep the first one.
        self._thread, self._renderer = trio.CapacityLimiter(1), trio.CapacityLimiter(1)

    async def document(self) -> dict[str, Any]:
        """Return what ``mailhaul status --json`` prints."""
        entries = await self.entries()
        fleet = None if self._fleet is None else described_fleet(self._fleet)
        return document(entries, self._facts(), time.time(), fleet)

    async def metrics(self, *, openmetrics: bool = True) -> str:
        """Return the metrics as text."""
        entries = await self.entries()
        facts = Facts(self._facts(), self._octets, self._fleet)
        # For thousands of entries this takes a second, in which mail must go on.
        work = partial(render, entries, facts, openmetrics=openmetrics)
        return await trio.to_thread.run_sync(work, limiter=self._renderer)

    async def entries(self) -> Sequence[EntryStatus]:
        """Return the state of each job; of a shared store, that of its accounts."""
        with trio.move_on_after(LEDGER_SECONDS):
            await trio.to_thread.run_sync(
                self._read, self.scheduler.jobs, abandon_on_cancel=True, limiter=self._thread
            )
        if self._fleet is not None:
            return self._fleet.entries
        now, moment = time.time(), trio.current_time()
        return [
            EntryStatus(
                job.key,
                self.scheduler.results.get(job.key) or EntryResult(job.key),
                waiting_for(job.settings, self._waiting),
                job.settings,
                live_of(job, now, moment),
                self._expiry.get(job),
                rest_for(job.settings, self._rests),
            )
            for job in self.scheduler.jobs
        ]

    def health(self) -> dict[str, Any]:
        """Return whether the schedules run."""
        now, jobs = trio.current_time(), self.scheduler.jobs
        late = [job.key for job in jobs if is_late(job, now)]
        return health(len(jobs), late, stopping=self.scheduler.stopping)

    def _facts(self) -> DaemonFacts:
        watching = sum(job.is_watching for job in self.scheduler.jobs)
        return own_facts(self._since, self._interval(), self._pool.connections + watching)

    def _read(self, jobs: Sequence[Job]) -> None:
        """Read what waits, and when tokens expire. It may block, and runs in a thread."""
        context = self._pool.context
        try:
            self._waiting = waiting(context.ledger)
            self._rests = rests(context.ledger, time.time())
            self._octets = context.ledger.octets()
            self._fleet = self.scheduler.read_fleet(self._waiting)
        except LedgerFault:
            # Each poll reports it.
            self._waiting, self._rests, self._fleet = (), {}, None
        self._expiry = {
            job: expiry for job in jobs if (expiry := token_expiry(job, context)) is not None
        }


def token_expiry(job: Job, context: PollContext) -> float | None:
    """Return when the token at the job's server expires, 0 for none; None without OAuth."""
    if job.settings.auth != "oauth":
        return None
    from ..polls.tokens import expiry_of  # few accounts need it

    return expiry_of(job.settings, context)


def live_of(job: Job, now: float, moment: float) -> Live:
    """Return what a job does; ``now`` is Unix time, ``moment`` the same in trio's clock."""
    waits = job.state is JobState.WAITING
    state = "parked" if waits and job.schedule.parked else str(job.state)
    if job.needs_consent and waits:
        state = "consent needed"
    due = max(0.0, job.schedule.due - moment)
    next_poll = now + due if waits and job.polls else None
    return Live(state, job.polls, next_poll, job.token_trouble[2], job.needs_consent)


def is_late(job: Job, moment: float) -> bool:
    """Whether a job should have been polled a while ago, and waits nevertheless."""
    begun = job.polls > 0 and job.state is JobState.WAITING
    return begun and job.schedule.due != float("-inf") and job.schedule.due + LATE < moment
