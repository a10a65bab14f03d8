"""Tells users of changes while a daemon runs, beside the polls; see ``flows/alerts.py``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import trio

from ...adapters.ledger.results import EntryResult
from ...flows.alerts import Alert, Change, change_of, ended_by
from ...flows.outcome import GOOD, ExitCode, PollCounts
from ..polls.alerts import News, news_of, state_of
from ..polls.interrupted import place_of
from ..polls.jobs import Job
from ..polls.lines import Lines
from ..polls.pool import PollPool

RECENT = 2 * 24 * 3600
"""Seconds after which an entry that is polled no more does not silence others."""

HOOKS = 8
"""The most commands and mails to users at a time."""


class Alerts:
    """Tells users when the polls of an entry begin to fail, and when they succeed again.

    ``results`` is how the polls of each entry went, kept up to date by the caller.
    """

    def __init__(
        self,
        pool: PollPool,
        lines: Lines,
        results: Mapping[str, EntryResult],
        wall_clock: Callable[[], float],
    ) -> None:
        self.told: list[Alert] = []
        """The alerts that have not ended."""
        self.nursery: trio.Nursery | None = None
        """Where the tasks run, once there is one."""
        self._pool = pool
        self._lines = lines
        self._results = results
        self._wall_clock = wall_clock
        self._under_way: set[str] = set()
        # Thousands of entries may fail at once, and each command takes descriptors.
        self._hooks = trio.CapacityLimiter(HOOKS)
        self._deliveries: dict[str, list[PollCounts]] = {}
        """Counts that no command has got yet, by the entries whose commands run."""

    def poll_ended(self, job: Job, code: ExitCode, counts: PollCounts) -> None:
        """Tell what the end of a poll changes, in tasks of their own."""
        if counts.fetched and job.settings.ondelivery:
            self._delivered(job, code, counts)
        result = self._results[job.key]
        label, kind, sentence = job.token_trouble
        token = label if kind and code not in GOOD else ""
        state = state_of(job.settings, job.key, code, result.failures, token)
        change = change_of(state, job.settings.alertafter, self.told, self._fails)
        if change is None:
            return
        ended = ended_by(state, self.told) if change is Change.RECOVERY else []
        for alert in ended or (None,):
            news = news_of(change, state, result, alert, sentence if token else "")
            topic = news.alert.topic
            if topic not in self._under_way:
                self._under_way.add(topic)
                self._start(job, partial(self._tell, job, news), self._told(topic))

    def _told(self, topic: str) -> Callable[[], None]:
        return lambda: self._under_way.discard(topic)

    async def _tell(self, job: Job, news: News) -> None:
        if not await self._pool.tell(news, job.settings, self._lines):
            return
        self.told = [one for one in self.told if one.topic != news.alert.topic]
        if news.change is Change.FAILURE:
            self.told.append(news.alert)

    def _fails(self, entry: str) -> bool:
        """Whether an entry still fails, and is still polled."""
        result = self._results.get(entry)
        recent = self._wall_clock() - RECENT
        return result is not None and result.failures > 0 and result.time > recent

    def _delivered(self, job: Job, code: ExitCode, counts: PollCounts) -> None:
        """Run ``on-delivery``; while it runs, the counts of further polls are added up."""
        key = job.key
        if key in self._deliveries:
            self._deliveries[key].append(counts)
            return
        self._deliveries[key] = [counts]
        done = partial(self._deliveries.pop, key, None)
        self._start(job, partial(self._run_on_delivery, job, code), done)

    async def _run_on_delivery(self, job: Job, code: ExitCode) -> None:
        waiting = self._deliveries[job.key]
        while waiting:
            counts = sum_of(waiting)
            waiting.clear()
            await self._pool.run_on_delivery(job.key, job.settings, code, counts, self._lines)

    def _start(
        self, job: Job, work: Callable[[], Awaitable[None]], done: Callable[[], object]
    ) -> None:
        if self.nursery is None:
            done()
            return
        self.nursery.start_soon(self._guarded, job, work, done)

    async def _guarded(
        self, job: Job, work: Callable[[], Awaitable[None]], done: Callable[[], object]
    ) -> None:
        """Do work whose failure must not affect the polls."""
        try:
            async with self._hooks:
                await work()
        except Exception as fault:
            what = f"{job.name}: the user cannot be told: {place_of(fault)}"
            self._lines.complain(what, job.key)
        finally:
            done()


def sum_of(counts: Sequence[PollCounts]) -> PollCounts:
    """Return the sums of all these counts."""
    total = PollCounts()
    for one in counts:
        for name in PollCounts.__slots__:
            setattr(total, name, getattr(total, name) + getattr(one, name))
    return total
