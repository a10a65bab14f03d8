"""Poll several accounts side by side, some of which then wait for new mail (option ``idle``)."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from random import random
from typing import TYPE_CHECKING

import trio

from ...adapters.config.settings import AccountSettings
from ...adapters.sources.imap_notify import NotWatched
from ...flows.outcome import ExitCode
from ..polls.context import PollContext
from ..polls.inherited import is_wanted
from ..polls.interrupted import Deadline
from ..polls.jobs import Job, jobs_for
from ..polls.lines import Lines
from ..polls.poll import combined_code
from ..polls.pool import PollPool
from .side_by_side import GRACE, SIGNALS, Outputs, hooks_for

if TYPE_CHECKING:
    from ..polls.limited import Hooks
    from .once import Recorder


RECORD_SECONDS = 5.0
"""Seconds after which it is recorded how polls ended."""


def poll_and_wait(
    accounts: Sequence[AccountSettings],
    names: Sequence[str],
    context: PollContext,
    lines: Lines,
    recorder: Recorder,
) -> tuple[Sequence[ExitCode], int]:
    """Do what ``poll_side_by_side`` does, and go on as long as a server reports new mail."""
    return trio.run(_poll_all, accounts, names, context, lines, recorder)


async def keep_recording(recorder: Recorder) -> None:
    """Record how polls ended, from time to time: the run may last for days."""
    while True:
        await trio.sleep(RECORD_SECONDS)
        await trio.to_thread.run_sync(recorder.record_and_tell)


def waits_for_news(settings: AccountSettings) -> bool:
    """Whether the run continues after the mail of this account was fetched."""
    return settings.idle and settings.kind.family == "imap"


async def wait_for_news(
    pool: PollPool, jobs: Sequence[Job], lines: Lines, hooks: Hooks
) -> ExitCode:
    """Poll the jobs of an account, as long as its server reports new mail."""
    codes = [ExitCode.NOMAIL] * len(jobs)

    async def one(place: int) -> None:
        job = jobs[place]
        if not job.watched:
            codes[place] = await pool.poll(job.settings, lines, hooks)
            return
        try:
            codes[place] = await pool.watch(
                job.settings, lines, lambda code, pushes_news: None, hooks
            )
        except NotWatched:
            apart = list(jobs_for(job.settings, 0.0, random, apart=True))
            codes[place] = await wait_for_news(pool, apart, lines, hooks)

    async with trio.open_nursery() as nursery:
        for place in range(len(jobs)):
            nursery.start_soon(one, place)
    return combined_code(codes)


async def _poll_all(
    accounts: Sequence[AccountSettings],
    names: Sequence[str],
    context: PollContext,
    lines: Lines,
    recorder: Recorder,
) -> tuple[Sequence[ExitCode], int]:
    pool = PollPool(context)
    codes = [ExitCode.UNDEFINED] * len(accounts)
    ended_by = 0
    # A log, and a poll that does not end by itself, get their lines immediately.
    outputs = Outputs(lines, [lines.is_log or waits_for_news(one) for one in accounts])

    async def one(place: int) -> None:
        settings, hooks = accounts[place], hooks_for(names[place], recorder)
        if waits_for_news(settings):
            jobs = list(jobs_for(settings, 0.0, random))
            codes[place] = await wait_for_news(pool, jobs, lines, hooks)
            return
        try:
            codes[place] = await pool.poll(settings, outputs.of(place), hooks)
        except Exception as fault:
            # The other accounts must still be polled.
            outputs.report(place, fault, recorder, names[place])
        finally:
            outputs.ended(place)

    async def all_of_them(scope: trio.CancelScope) -> None:
        async with trio.open_nursery() as polls:
            for place in range(len(accounts)):
                polls.start_soon(one, place)
        scope.cancel()

    deadline = Deadline()
    wanted: list[signal.Signals] = [number for number in SIGNALS if is_wanted(number)]
    with deadline, trio.open_signal_receiver(*wanted) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(all_of_them, nursery.cancel_scope)
            nursery.start_soon(keep_recording, recorder)
            async for number in signals:
                ended_by = number
                deadline.begin(GRACE, ExitCode.UNDEFINED, lines.complain)
                nursery.cancel_scope.cancel()
    return codes, ended_by
