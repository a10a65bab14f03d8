"""Polls the accounts of a store that several machines share.

This machine *claims* accounts that are due, polls each, and gives it back with the time of its next
poll. So only the accounts that are polled now are in memory, and an account that fails rests for
all machines. An account whose server reports new mail is kept as long as it is watched; those are
spread evenly over the machines.

Everything that concerns claims is done by one task, one thing after the other: give accounts back,
see whether those that are held still are ours, claim more. So nothing is ever both given back and
looked for.

This file is long because all of this is one order of steps over one set of held accounts.
"""

from __future__ import annotations

import random
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING

import trio

from ...adapters.config.errors import ConfigErrors
from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.results import EntryResult, Waiting
from ...adapters.ledger.store import LedgerFault
from ...adapters.postgres.records import Claim, RcEntry, Settlement, Totals
from ...flows.outcome import GOOD, ExitCode, PollResult
from ..polls.accounts import folders_of, keys_for, user_at_server
from ..polls.jobs import Job, JobState
from ..polls.limited import TOTAL
from ..polls.lines import Lines
from ..polls.pool import PollPool
from .fleet_interface import FleetStore, ReadRow
from .scheduler import TASK, Scheduler

if TYPE_CHECKING:
    from ..polls.fleet_status import FleetStatus

TICK = 0.5
"""Seconds between two looks for accounts that are due."""
STEP_SECONDS = 1.0
"""Seconds between two looks at what the machines share."""
KEEP_SECONDS = 5.0
"""Seconds between two comparisons of what is held here with what the store says."""
RETRY_SECONDS = 2.0
"""Seconds between two tries to reach a store that was lost."""
HAND_OVER_SECONDS = 5.0
"""Seconds for which a machine claims nothing to watch after it has given some away."""
FOREIGN_SECONDS = 30.0
"""Seconds after which an account that this machine does not know may be claimed again."""
PROBLEM_SECONDS = 300.0
"""The same for one whose text this machine cannot use."""
SPREAD = 0.05
"""The part of an interval that is randomly added or subtracted: accounts that were due together,
as after an outage, do not stay together."""
TEXTS = 4096
"""Texts of accounts whose settings are remembered."""
MAX_APART = 10_000
"""Accounts that are remembered because their servers want a connection for each folder."""
LAST_FLUSH = 5.0
"""Seconds that giving everything back may take at the end."""
STORE_FAULT = "store "
"""What the error of a poll begins with that the store has ended (``StoreFault``)."""
EVERYTHING = "*"
"""A notification that means: whatever is held here may have changed."""


class Held:
    """An account that is claimed, and the jobs that poll it."""

    __slots__ = (
        "again", "claim", "delay", "faulty", "jobs", "lost", "results", "settings", "watching",
    )  # fmt: skip

    def __init__(self, claim: Claim, settings: AccountSettings) -> None:
        self.claim = claim
        self.settings = settings
        self.jobs: Sequence[Job] = ()
        self.results: list[PollResult] = []
        """How its polls ended, as far as the store has not heard of it."""
        self.watching = False
        self.faulty = False
        """Whether a poll has ended because the store could not be used."""
        self.again = False
        """Whether other jobs take the place of these, in the same claim."""
        self.lost = False
        """Whether another machine has it by now."""
        self.delay: float | None = None
        """Seconds after which it may be polled again, instead of those of its schedule."""

    def end(self, delay: float | None = None) -> None:
        """End its polls after the message under way, and give it back."""
        self.delay = delay if self.delay is None else self.delay
        for job in self.jobs:
            job.unwanted = True
            job.cut_short()


class FleetScheduler(Scheduler):
    """Runs the jobs of the accounts that this machine has claimed."""

    is_shared = True

    def __init__(
        self,
        pool: PollPool,
        lines: Lines,
        store: FleetStore,
        read_row: ReadRow,
        *,
        places: int = TOTAL,
        chance: Callable[[], float] = random.random,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(pool, lines, chance=chance, wall_clock=wall_clock)
        self.read_row = read_row
        self.totals = Totals(1, 0)
        """What the machines share, as of the last look."""
        self._store = store
        self._places = places
        self._held: dict[int, Held] = {}
        self._by_key: dict[str, Held] = {}
        self._watching = 0
        self._watched_at_totals = 0
        self._unsettled: dict[int, tuple[Settlement, Held | None]] = {}
        self._own: Mapping[str, AccountSettings] = {}
        self._own_ids: Mapping[str, int] = {}
        self._own_changed = False
        self._texts: OrderedDict[str, AccountSettings] = OrderedDict()
        self._bell = trio.Event()
        self._full = False
        """Whether more accounts may be due than there was room for."""
        self._problem = ""
        self._refusals: dict[str, int] = {}
        self._looked = float("-inf")
        self._kept = float("-inf")
        self._handed_over = float("-inf")
        self._woken = False
        self._worker: int = 0

    # The scheduler's face

    async def run(self) -> None:
        """Claim and poll until ``stop``; then give everything back."""
        try:
            await super().run()
        finally:
            with trio.move_on_after(LAST_FLUSH, shield=True):
                try:
                    await self._settle_all()
                except LedgerFault as fault:
                    self._lines.complain(f"{fault}; others take over when the lease has expired")
            self._store.close()

    def read_fleet(self, waits: Sequence[Waiting]) -> FleetStatus:
        """Return the state of all machines. It blocks, and raises LedgerFault."""
        return self._store.read_fleet(self.read_row, self._own, waits)

    @property
    def begins_no_more(self) -> bool:
        """Whether no further message is begun: also when others may have taken over."""
        return self.stopping or not self._store.is_current()

    def _begin(self, nursery: trio.Nursery) -> None:
        nursery.start_soon(self._keep_claiming)
        nursery.start_soon(self._hear_changes)

    def set_accounts(self, accounts: Sequence[AccountSettings], interval: float) -> None:
        """Take the entries of the rc file, as this machine has them now."""
        self._interval = interval
        before, self._own = self._own, dict(zip(keys_for(accounts), accounts, strict=True))
        self._own_changed = True
        self._texts.clear()
        for held in list(self._held.values()):
            if held.claim.text is None:
                known = self._own.get(held.claim.name)
                if known is None or differ(known, before.get(held.claim.name)):
                    held.end(0.0)
        self._ring()

    def restart_polls(self) -> None:
        """Apply changed rules: polls under way end after their message, and start again."""
        for held in list(self._held.values()):
            held.end(0.0)

    def wake(self) -> None:
        """Poll at once what is held here, and the entries of the rc file."""
        super().wake()
        self._woken = True
        self._ring()

    def stop(self) -> None:
        """Begin no further message, and give back what waits."""
        super().stop()
        self._ring()

    # Claims

    async def _keep_claiming(self) -> None:
        while True:
            try:
                await self._turn()
            except LedgerFault as fault:
                self._say_lost(str(fault))
                await trio.sleep(RETRY_SECONDS)
                continue
            self._say_back()
            if self._full and self._room > 0 and not self.stopping:
                await trio.lowlevel.checkpoint()
                continue
            self._bell = trio.Event()
            with trio.move_on_after(TICK):
                await self._bell.wait()

    async def _turn(self) -> None:
        """Do everything once that concerns claims."""
        worker = await self._store.join()
        await self._settle_all()
        if self.stopping:
            return
        if self._own_changed:
            await self._put_own()
        now = trio.current_time()
        # With another id, what is held here is free for all, and for this machine's next claim.
        if worker != self._worker or now - self._kept >= KEEP_SECONDS:
            if self._worker not in (0, worker):
                self._lines.complain("this machine was paused or cut off for longer than its lease")
            await self._compare(worker)
            self._worker, self._kept = worker, now
        if now - self._looked >= STEP_SECONDS:
            self._looked = now
            await self._look_at_totals()
        if self._woken:
            self._woken = False
            await self._store.wake(list(self._own_ids))
        room = self._room
        if room <= 0:
            self._full = True
            return
        most = self._pool.context.globals.maxconnections
        claims = await self._store.claim(
            worker, room, self._watch_room(), list(self._own_ids.values()), most
        )
        self._full = len(claims) >= room
        await self._take(claims)

    @property
    def _room(self) -> int:
        """How many more accounts may be polled now. Those that only wait for news do not count."""
        return self._places - (len(self._held) - self._watching)

    async def _take(self, claims: Sequence[Claim]) -> None:
        """Begin to poll these accounts."""
        new: list[Held] = []
        for claim in claims:
            if before := self._held.get(claim.id):
                # Its polls have to end first.
                self._lose(before)
                self._give_back(claim, RETRY_SECONDS, "")
                continue
            try:
                held = Held(claim, self._settings_of(claim))
            except ConfigErrors as faults:
                problem = str(faults.errors[0])
                self._lines.complain(problem, claim.name)
                self._give_back(claim, PROBLEM_SECONDS, problem)
                continue
            except KeyError:
                self._give_back(claim, FOREIGN_SECONDS, "")
                continue
            held.jobs = self._make_jobs(held)
            new.append(held)
        await self._recall([held for held in new if held.claim.failures])
        for held in new:
            self._held[held.claim.id] = held
            self._add_jobs(held)
            if self._nursery:
                self._nursery.start_soon(self._run_held, held, name=TASK)

    def _settings_of(self, claim: Claim) -> AccountSettings:
        """Return the settings of an account. Raises ConfigErrors, and KeyError if it is unknown."""
        if claim.text is None:
            return self._own[claim.name]
        key = f"{claim.name}\n{claim.text}"
        known = self._texts.get(key)
        if known is None:
            known = self._texts[key] = self.read_row(claim.text, claim.name)
            while len(self._texts) > TEXTS:
                self._texts.popitem(last=False)
        else:
            self._texts.move_to_end(key)
        return known

    def _make_jobs(self, held: Held) -> Sequence[Job]:
        """Return the jobs of a claimed account, with the schedule of the store."""
        claim = held.claim
        jobs = self._jobs_for_one(held.settings, Counter())
        for job in jobs:
            job.key = claim.name if len(jobs) == 1 else claim.name + folders_of(job.settings)
            job.label = "" if job.key == user_at_server(job.settings) else job.key
            job.fence = (claim.name, claim.epoch)
            job.schedule.failures, job.schedule.refusals = claim.failures, claim.refusals
        return jobs

    async def _recall(self, failing: Sequence[Held]) -> None:
        """Learn what is known of accounts that fail, perhaps from the polls of other machines."""
        if not failing:
            return
        names = [job.key for held in failing for job in held.jobs]
        results, told = await self._store.history(names)
        self.results.update(results)
        self.alerts.told = list(told)

    # The jobs of an account

    async def _run_held(self, held: Held) -> None:
        try:
            while True:
                if len(held.jobs) == 1:
                    await self._run_job(held.jobs[0])
                else:
                    async with trio.open_nursery() as nursery:
                        for job in held.jobs:
                            nursery.start_soon(self._run_job, job, name=TASK)
                if not held.again or self.stopping or held.lost:
                    break
                held.again = False
                self._drop_jobs(held)
                held.jobs = self._make_jobs(held)
                self._add_jobs(held)
        finally:
            self._end_held(held)

    def _end_held(self, held: Held) -> None:
        self._drop_jobs(held)
        del self._held[held.claim.id]
        self._watching -= held.watching
        if not held.lost:
            self._unsettled[held.claim.id] = self._settlement(held), held
        for job in held.jobs:
            self.results.pop(job.key, None)
            self.last_success.pop(job.key, None)
        if self.stopping or self._full or len(self._unsettled) > self._places // 4:
            self._ring()

    def _add_jobs(self, held: Held) -> None:
        for job in held.jobs:
            self.jobs.append(job)
            self._by_key[job.key] = held

    def _drop_jobs(self, held: Held) -> None:
        for job in held.jobs:
            self.jobs.remove(job)
            self._by_key.pop(job.key, None)

    def _poll_over(self, job: Job) -> None:
        """Give the account back once all its jobs were polled, unless one of them watches."""
        job.state = JobState.WAITING
        held = self._of(job)
        if held is None or job.unwanted:
            return
        if all(one.polls for one in held.jobs) and not any(one.is_watching for one in held.jobs):
            held.end()

    async def _wait_for_jobs_apart(self, job: Job) -> None:
        """End the jobs of the account: others with a connection for each folder follow."""
        if len(self._apart) >= MAX_APART:
            self._apart.clear()
        self._apart.add(job.identity)
        job.state, job.under_way = JobState.WAITING, False
        if held := self._of(job):
            held.again = True
            held.end()

    def _note_watched(self, job: Job, code: ExitCode, pushes_news: bool) -> None:
        super()._note_watched(job, code, pushes_news)
        held = self._of(job)
        if held is None or not job.is_watching:
            return
        if not held.watching:
            held.watching = True
            self._watching += 1
        self._unsettled[held.claim.id] = self._settlement(held, keeps=True), held

    def note_result(self, result: PollResult) -> None:
        """Note how a poll ended. It is stored once the store has agreed that it was ours."""
        held = self._by_key.get(result.entry)
        if held and result.code is ExitCode.IOERR and result.words.startswith(STORE_FAULT):
            # The account has done nothing wrong: it is polled again when the store is back.
            held.faulty = True
            self.results.setdefault(result.entry, EntryResult(result.entry))
            return
        super().note_result(result)
        self.unwritten.pop()
        if held:
            held.results.append(result)

    def _of(self, job: Job) -> Held | None:
        return self._by_key.get(job.key)

    # Giving back

    def _settlement(self, held: Held, *, keeps: bool = False) -> Settlement:
        claim, schedules = held.claim, [job.schedule for job in held.jobs]
        codes = [job.last_code for job in held.jobs if job.last_code is not None]
        return Settlement(
            claim.id,
            claim.epoch,
            0.0 if keeps else self._delay(held),
            claim.failures if held.faulty else max(one.failures for one in schedules),
            claim.refusals if held.faulty else max(one.refusals for one in schedules),
            int(codes[-1]) if codes else None,
            keeps,
            keeps,
            any(job.watched for job in held.jobs),
        )

    def _delay(self, held: Held) -> float:
        """Return in how many seconds an account is polled next."""
        if held.delay is not None:
            return held.delay
        if held.faulty:
            return RETRY_SECONDS
        if not all(job.polls for job in held.jobs) or (self.stopping and held.watching):
            return 0.0
        delay = min(job.schedule.due for job in held.jobs) - trio.current_time()
        well = all(job.last_code in GOOD for job in held.jobs)
        varied = 1 + SPREAD * (2 * self._chance() - 1) if well else 1.0
        return max(0.0, delay * varied)

    def _give_back(self, claim: Claim, delay: float, problem: str) -> None:
        """Give back an account that was not polled."""
        settlement = Settlement(
            claim.id, claim.epoch, delay, claim.failures, claim.refusals, problem=problem
        )
        self._unsettled[claim.id] = settlement, None

    async def _settle_all(self) -> None:
        """Tell the store how polls ended."""
        if not self._unsettled:
            return
        some, self._unsettled = self._unsettled, {}
        try:
            ours = await self._store.settle([settlement for settlement, _ in some.values()])
        except BaseException:
            self._unsettled = {**some, **self._unsettled}
            raise
        for key, (settlement, held) in some.items():
            if held is None:
                continue
            if key in ours:
                self.unwritten += held.results
            elif settlement.keeps:
                self._lose(held)
            held.results.clear()

    async def _compare(self, worker: int) -> None:
        """Compare what is held here with what the store says."""
        epochs = {key: held.claim.epoch for key, held in self._held.items()}
        # Those whose polls have just ended are given back in the next turn.
        epochs |= {key: settlement.epoch for key, (settlement, _) in self._unsettled.items()}
        for key in await self._store.keep(worker, epochs):
            if held := self._held.get(key):
                self._lose(held)

    def _lose(self, held: Held) -> None:
        """End the polls of an account that another machine has by now."""
        if not held.lost:
            held.lost = True
            name = held.claim.name
            self._lines.complain(f"{name}: another machine has taken over this account", name)
            held.end()

    # What the machines share

    async def _put_own(self) -> None:
        """Make the rows of the entries of the rc file."""
        entries = [
            RcEntry(name, one.host, one.remote_user, is_watched(one), self._every(one))
            for name, one in self._own.items()
        ]
        self._own_changed = False
        try:
            self._own_ids = await self._store.put(entries)
        except BaseException:
            self._own_changed = True
            raise
        for name in self._own.keys() - self._own_ids.keys():
            problem = "an account of the store has the same name; the entry of the rc file rests"
            self._lines.complain(f"{name}: {problem}", name)

    def _every(self, settings: AccountSettings) -> float:
        return float(settings.every) or self._interval * max(1, settings.interval)

    async def _look_at_totals(self) -> None:
        self.totals = await self._store.totals()
        self._watched_at_totals = self._watching
        self._pool.share_with(self.totals.workers)
        refusals = self._pool.refusals()
        if news := [host for host, count in refusals.items() if count != self._refusals.get(host)]:
            await self._store.refused(news, self._pool.context.globals.maxconnections)
        self._refusals = dict(refusals)
        if self.totals.workers > 1:
            self._hand_over()

    def _share(self) -> int:
        """Return how many of the accounts that are watched now are this machine's share."""
        watched = self.totals.watched + self._watching - self._watched_at_totals
        return ceil(max(watched, 0) / max(self.totals.workers, 1))

    def _watch_room(self) -> int:
        """Return how many more accounts may be claimed to be watched."""
        if self.totals.workers <= 1:
            return self._room
        if trio.current_time() - self._handed_over < HAND_OVER_SECONDS:
            # What was given back is for others.
            return 0
        share = self._share()
        return max(0, share + max(2, share // 4) - self._watching)

    def _hand_over(self) -> None:
        """Give back accounts beyond the share of this machine."""
        share = self._share()
        surplus = self._watching - share - max(1, share // 10)
        if surplus > 0:
            self._handed_over = trio.current_time()
        for held in list(self._held.values()) if surplus > 0 else ():
            if surplus <= 0:
                break
            if held.watching and held.delay is None and not any(j.under_way for j in held.jobs):
                held.end(0.0)
                surplus -= 1

    async def _hear_changes(self) -> None:
        """Take up changes of the store that other machines or their users make."""
        while True:
            try:
                payloads = await self._store.changes()
                await self._apply(payloads)
            except LedgerFault:
                # The other task says so.
                await trio.sleep(RETRY_SECONDS)
            self._ring()

    async def _apply(self, payloads: Sequence[str]) -> None:
        named = {int(word) for one in payloads for word in one.split() if word.isdecimal()}
        ids = [*self._held] if EVERYTHING in payloads else [*named & self._held.keys()]
        if not ids:
            return
        known = await self._store.look(ids)
        for key in ids:
            held = self._held.get(key)
            if held is None:
                continue
            paused, text = known.get(key, (True, None))
            if paused or text != held.claim.text:
                held.end(0.0)
            elif key in named:
                for job in held.jobs:
                    self.wake_one(job)

    # The store itself

    def _ring(self) -> None:
        self._bell.set()

    def _say_lost(self, problem: str) -> None:
        if not self._problem:
            self._lines.complain(f"{problem}; nothing new is polled until it is back")
        self._problem = problem

    def _say_back(self) -> None:
        if self._problem:
            self._problem = ""
            self._lines.complain("the store is back; polling goes on")


def differ(one: AccountSettings, other: AccountSettings | None) -> bool:
    """Whether two entries of one name differ in any setting."""
    if other is None:
        return True
    from ...flows.schedule import Schedule

    schedule = Schedule(1.0, random.random)
    return Job(one, schedule).identity != Job(other, schedule).identity


def is_watched(settings: AccountSettings) -> bool:
    """Whether an account asks to be watched."""
    return settings.idle and settings.protocol == "imap"
