"""Keeps accounts polled, each on its own schedule, until it is stopped.

A *job* is what is polled on one schedule: an account, or mailboxes of it that are watched
(``idle``).
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import trio

from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.results import EntryResult, Waiting, with_result
from ...adapters.sources.imap_notify import NotWatched
from ...flows.outcome import GOOD, ExitCode, PollResult
from ...flows.schedule import CORRECTED
from ..polls.accounts import keys_for
from ..polls.interrupted import place_of
from ..polls.jobs import WATCHED, Job, JobState, jobs_for
from ..polls.lines import Lines
from ..polls.pool import PollPool
from .alerts import Alerts

if TYPE_CHECKING:
    from ..polls.fleet_status import FleetStatus

LAST_SECONDS = 20.0
"""Seconds that messages under way may take once the daemon stops."""

MAX_UNWRITTEN = 10_000
"""Results that are kept for the ledger while it cannot be written."""

TASK = "job"
"""The name of all tasks that run a job: by default, trio would make a string for each."""

APART_SECONDS = 1.0
"""Seconds for which accounts whose servers do not offer NOTIFY are collected. All of them are then
given one job for each folder together, as that costs something for every job."""
SIGNED_IN = 'After "mailhaul login" it is tried at once'
"""What ends the wait of an account whose consent has ended."""

SOON = 5.0
"""Seconds before a connection is opened again that broke while it waited for new mail."""


class Scheduler:
    """Runs the jobs of a configuration. ``run`` returns after ``stop`` was called."""

    is_shared = False
    """Whether other machines poll these accounts, too."""

    def __init__(
        self,
        pool: PollPool,
        lines: Lines,
        *,
        chance: Callable[[], float] = random.random,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.jobs: list[Job] = []
        self.last_success: dict[str, float] = {}
        """The time of the last successful poll of any run, by job keys (Unix time)."""
        self.results: dict[str, EntryResult] = {}
        """How the polls of any run ended, by job keys."""
        self.unwritten: list[PollResult] = []
        """Results that the ledger does not have yet."""
        self._accounts: Sequence[AccountSettings] = ()
        self._interval = 0.0
        self._jobs_of: Sequence[int] = ()
        """How many of the ``jobs`` each account has."""
        self._apart: set[bytes] = set()
        self._users_to_take_apart: set[tuple[str, str]] = set()
        self._leaving: list[Job] = []
        self.stopping = False
        self._pool = pool
        self._lines = lines
        self._chance = chance
        self._wall_clock = wall_clock
        self.alerts = Alerts(pool, lines, self.results, wall_clock)
        self._nursery: trio.Nursery | None = None
        self._stopped = trio.Event()

    async def run(self) -> None:
        """Run all jobs, also those added later, until ``stop``."""
        async with trio.open_nursery() as nursery:
            self._nursery = self.alerts.nursery = nursery
            self._begin(nursery)
            await self._stopped.wait()
            with trio.move_on_after(LAST_SECONDS):
                while any(job.state is JobState.POLLING for job in [*self.jobs, *self._leaving]):
                    await trio.sleep(0.05)
            nursery.cancel_scope.cancel()

    def read_fleet(self, waits: Sequence[Waiting]) -> FleetStatus | None:
        """Return the state of all machines that share the store, if there is one. It blocks."""
        del waits
        return None

    @property
    def begins_no_more(self) -> bool:
        """Whether polls begin no further message."""
        return self.stopping

    def _begin(self, nursery: trio.Nursery) -> None:
        for job in self.jobs:
            nursery.start_soon(self._run_job, job, name=TASK)

    def stop(self) -> None:
        """Begin no further message, finish those under way, and end ``run``."""
        self.stopping = True
        for job in self.jobs:
            job.cut_short()
        self._stopped.set()

    def set_accounts(self, accounts: Sequence[AccountSettings], interval: float) -> None:
        """Poll these accounts from now on. Jobs that have not changed continue undisturbed."""
        self._accounts, self._interval = accounts, interval
        self._replace_jobs(list(self._jobs_for(self._all_jobs())))

    def _replace_jobs(self, wanted: Sequence[Job]) -> None:
        """Run these jobs from now on, instead of those that run now."""
        before_now = set(self.jobs)
        new = [job for job in wanted if job not in before_now]
        there: dict[bytes, Job] = {}
        if new:
            still = set(wanted)
            there = {job.identity: job for job in self.jobs if job not in still}
        same = {job: there.pop(job.identity, job) for job in new}
        kept = [self._update(same.get(job, job), job) for job in wanted]
        from_now = set(kept)
        gone = [job for job in self.jobs if job not in from_now]
        for job in gone:
            job.unwanted = True
            job.cut_short()
        leaving = [job for job in self._leaving if job.state is not JobState.OVER]
        self._leaving = [*leaving, *gone]
        if self._nursery:
            leaving_by_user = defaultdict[tuple[str, str], list[Job]](list)
            for old in self._leaving:
                leaving_by_user[old.user].append(old)
            for job in kept:
                if job not in before_now:
                    before = leaving_by_user[job.user]
                    self._nursery.start_soon(self._run_job, job, before, name=TASK)
        self.jobs = kept

    @staticmethod
    def _update(job: Job, wanted: Job) -> Job:
        """Apply to a running job what a reload may change without ending it."""
        if job is not wanted:
            job.key, job.label = wanted.key, wanted.label
            if job.schedule.interval != wanted.schedule.interval:
                job.schedule.change(wanted.schedule.interval, trio.current_time())
                if job.state is JobState.WAITING:
                    # It waits again, until the new time.
                    job.scope.cancel()
        return job

    def restart_polls(self) -> None:
        """Apply changed rules: a poll under way ends after its current message and starts again.

        The counts of failures stay.
        """
        for job in self.jobs:
            if job.state in {JobState.POLLING, JobState.WATCHING}:
                job.outdated = True
                job.cut_short()

    def _all_jobs(self) -> Iterator[Sequence[Job]]:
        """Yield new jobs of each account."""
        # The limit of watched connections is for one user over all entries.
        watched: Counter[tuple[str, str]] = Counter()
        for one in self._accounts:
            yield self._jobs_for_one(one, watched)

    def _jobs_apart(self, users: Container[tuple[str, str]]) -> Iterator[Sequence[Job]]:
        """Yield new jobs of each account of these users, and for all others those that run."""
        watched: Counter[tuple[str, str]] = Counter()
        running = iter(self.jobs)
        for one, count in zip(self._accounts, self._jobs_of, strict=True):
            jobs: Sequence[Job] = list(islice(running, count))
            if (one.host, one.remote_user) in users:
                try:
                    jobs = self._jobs_for_one(one, watched)
                except Exception as fault:
                    # Those that run stay, and the other accounts get theirs.
                    name = f"{one.remote_user}@{one.pollname}"
                    self._complain_of_fault(name, fault)
            yield jobs

    def _jobs_for(self, jobs_of_each: Iterable[Sequence[Job]]) -> Iterator[Job]:
        """Yield the jobs of all accounts, with their keys and labels."""
        jobs: list[Job] = []
        jobs_of: list[int] = []
        for several in jobs_of_each:
            jobs += several
            jobs_of.append(len(several))
        self._jobs_of = jobs_of
        names = Counter([job.own_name for job in jobs])
        keys = keys_for([job.settings for job in jobs])
        for job, key in zip(jobs, keys, strict=True):
            job.key = key
            job.label = key if names[job.own_name] > 1 else ""
            job.last_success = self.last_success.get(key, 0.0)
            yield job

    def _jobs_for_one(
        self, settings: AccountSettings, watched: Counter[tuple[str, str]]
    ) -> Sequence[Job]:
        """Return the jobs of one account, as its server allows them; count those that watch."""
        user = (settings.host, settings.remote_user)
        room = WATCHED - watched[user]
        every = float(settings.every) or self._interval * max(1, settings.interval)
        jobs = list(jobs_for(settings, every, self._chance, room=room))
        if self._apart and any(job.identity in self._apart for job in jobs):
            jobs = list(jobs_for(settings, every, self._chance, apart=True, room=room))
        watched[user] += sum([job.watched for job in jobs])
        return jobs

    def wake(self) -> None:
        """Poll everything that is not paused at once, whatever its schedule says."""
        for job in self.jobs:
            if not job.paused:
                self.wake_one(job)

    def renew(self) -> None:
        """Poll at once, over new connections: after a suspend, or in another network.

        Jobs with a refused login stay parked: their password is still wrong.
        """
        for job in self.jobs:
            if not (job.paused or job.schedule.refusals):
                self.wake_one(job)

    def wake_one(self, job: Job) -> None:
        """Poll one job at once. A connection that waits for mail may be dead and is replaced."""
        job.wake()
        if job.is_watching:
            job.scope.cancel()

    def pause(self, job: Job, *, paused: bool) -> None:
        """Pause a job, or resume it. A poll under way is finished first."""
        job.paused = paused
        job.rouse()
        if job.state in {JobState.WATCHING, JobState.WAITING, JobState.PAUSED}:
            job.scope.cancel()

    async def _run_job(self, job: Job, before: Sequence[Job] = ()) -> None:
        """Run a job as long as it is wanted, after the jobs ``before`` a reload have ended.

        Two polls of one mailbox would each deliver the messages that the other has not yet deleted.
        """
        try:
            for old in before:
                await old.ended()
            before = ()
            while not (self.stopping or job.unwanted):
                # A reload cancels this scope to end the job, a wake-up to end the waiting.
                with trio.CancelScope() as job.scope:
                    await self._until_due(job)
                    if not job.paused:
                        # Not in a method of its own: each job that waits would keep its frame.
                        try:
                            await self._poll(job)
                        except Exception as fault:
                            self._note_fault(job, fault)
                job.under_way = False
                if job.outdated:
                    job.outdated = False
                    job.schedule.due = trio.current_time()
                self._poll_over(job)
        finally:
            job.end()

    def _poll_over(self, job: Job) -> None:
        """Note that a job waits again. Its schedule says until when."""

    async def _until_due(self, job: Job) -> None:
        job.state = JobState.PAUSED if job.paused else JobState.WAITING
        deadline = float("inf") if job.paused else job.schedule.due
        await job.pause_until(deadline)

    def _note_fault(self, job: Job, fault: Exception) -> None:
        """Log an unexpected exception of a poll in one line: it fails this job only."""
        words = f"internal error, please report it: {place_of(fault)}"
        self._complain_of_fault(job.name, fault, job.key)
        self._note(job, ExitCode.UNDEFINED, words)

    def _complain_of_fault(self, what: str, fault: Exception, account: str = "") -> None:
        words = f"{what}: internal error, please report it: {place_of(fault)}"
        self._lines.complain(words, account, ExitCode.UNDEFINED.name)

    async def _poll(self, job: Job) -> None:
        job.state = JobState.POLLING
        if not job.watched:
            code = await self._pool.poll(job.settings, self._lines, job.hooks())
            self._note(job, code)
            return

        began = trio.current_time()
        try:
            on_poll_end = partial(self._note_watched, job)
            await self._pool.watch(job.settings, self._lines, on_poll_end, job.hooks())
        except NotWatched:
            await self._wait_for_jobs_apart(job)
            return
        # A connection that broke while it waited is opened again soon, but not in a loop.
        if job.is_watching:
            lasted = trio.current_time() - began
            job.schedule.due = trio.current_time() + (SOON if lasted > SOON else 60.0)

    async def _wait_for_jobs_apart(self, job: Job) -> None:
        """Wait until this job is replaced by one for each of its folders."""
        self._apart.add(job.identity)
        if not self._users_to_take_apart and self._nursery:
            self._nursery.start_soon(self._take_apart)
        self._users_to_take_apart.add(job.user)
        job.state, job.under_way = JobState.WAITING, False
        # Its scope is cancelled then. Otherwise it is polled again, and says the same.
        await trio.sleep(60 * APART_SECONDS)

    async def _take_apart(self) -> None:
        await trio.sleep(APART_SECONDS)
        users, self._users_to_take_apart = self._users_to_take_apart, set()
        try:
            self._replace_jobs(list(self._jobs_for(self._jobs_apart(users))))
        except Exception as fault:
            # A task of its own: what it raises would end the daemon.
            self._complain_of_fault("connections for each folder", fault)

    def _note_watched(self, job: Job, code: ExitCode, pushes_news: bool) -> None:
        """Note the end of a poll, after which the connection is kept if it pushes news."""
        self._note(job, code)
        job.state = JobState.WATCHING if pushes_news and not self.stopping else JobState.POLLING
        job.under_way = not job.is_watching
        if self.stopping or job.unwanted or job.paused:
            job.scope.cancel()

    def _note(self, job: Job, code: ExitCode, fault: str = "") -> None:
        job.polls += 1
        job.last_code = code
        job.last_poll = self._wall_clock()
        if code in GOOD:
            job.last_success = self.last_success[job.key] = job.last_poll
        words, counts, seconds = job.take_end()
        self.note_result(PollResult(job.key, job.last_poll, code, fault or words, counts, seconds))
        cure = SIGNED_IN if job.needs_consent else CORRECTED
        if remark := job.schedule.ended(trio.current_time(), code, cure):
            self._lines.complain(f"{job.name}: {remark}", job.key, code.name)
        self.alerts.poll_ended(job, code, counts)

    def note_result(self, result: PollResult) -> None:
        """Note how a poll ended. The service writes it to the ledger."""
        before = self.results.get(result.entry) or EntryResult(result.entry)
        self.results[result.entry] = with_result(before, result)
        self.unwritten.append(result)
        del self.unwritten[:-MAX_UNWRITTEN]

    def load_results(self, results: Mapping[str, EntryResult]) -> None:
        """Take over what the ledger knows of earlier runs. Call it before ``set_accounts``."""
        self.results |= results
        self.last_success |= {
            name: float(result.success) for name, result in results.items() if result.success
        }
