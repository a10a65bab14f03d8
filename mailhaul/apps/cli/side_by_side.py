"""Poll several accounts concurrently, and print the lines of each account together."""

from __future__ import annotations

import io
import signal
from collections.abc import Sequence
from random import random

import trio

from ...adapters.config.settings import AccountSettings
from ...adapters.sources.imap_notify import NotWatched
from ...flows.outcome import ExitCode
from ..polls.context import PollContext
from ..polls.inherited import is_wanted
from ..polls.interrupted import Deadline, place_of
from ..polls.jobs import Job, jobs_for
from ..polls.lines import Lines
from ..polls.logs import LogLines
from ..polls.poll import combined_code
from ..polls.pool import PollPool

GRACE = 10.0
"""Seconds after which a signal ends the run, even if a server or sink does not reply."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class BufferedLines(Lines):
    """The lines of one account, kept until its poll ends or is the only one left."""

    def __init__(self, lines: Lines) -> None:
        self._texts = io.StringIO(), io.StringIO()
        super().__init__(lines.verbosity, *self._texts, lines.program)
        self._lines = lines

    def print(self) -> None:
        """Print all kept lines: first the output, then the errors."""
        for text, stream in zip(self._texts, (self._lines.out, self._lines.err), strict=True):
            self._lines.pass_on(stream, text.getvalue())
            text.seek(0)
            text.truncate()

    def stop_buffering(self) -> None:
        """Print the kept lines, and all later lines immediately."""
        self.print()
        self.out, self.err = self._lines.out, self._lines.err


def poll_side_by_side(
    accounts: Sequence[AccountSettings], context: PollContext, lines: Lines
) -> tuple[Sequence[ExitCode], int]:
    """Poll these accounts concurrently.

    Return their exit codes in the same order, and the number of the signal that ended the run, or
    0.
    """
    return trio.run(_poll_all, accounts, context, lines)


def waits_for_news(settings: AccountSettings, context: PollContext) -> bool:
    """Whether the run continues after the mail of this account was fetched (option ``idle``)."""
    return settings.idle and settings.kind.family == "imap" and not context.check


async def wait_for_news(pool: PollPool, jobs: Sequence[Job], lines: Lines) -> ExitCode:
    """Poll the jobs of an account, as long as its server reports new mail."""
    codes = [ExitCode.NOMAIL] * len(jobs)

    async def one(place: int) -> None:
        job = jobs[place]
        if not job.watched:
            codes[place] = await pool.poll(job.settings, lines)
            return
        try:
            codes[place] = await pool.watch(job.settings, lines, lambda code, pushes_news: None)
        except NotWatched:
            apart = list(jobs_for(job.settings, 0.0, random, apart=True))
            codes[place] = await wait_for_news(pool, apart, lines)

    async with trio.open_nursery() as nursery:
        for place in range(len(jobs)):
            nursery.start_soon(one, place)
    return combined_code(codes)


async def _poll_all(
    accounts: Sequence[AccountSettings], context: PollContext, lines: Lines
) -> tuple[Sequence[ExitCode], int]:
    pool = PollPool(context)
    codes = [ExitCode.UNDEFINED] * len(accounts)
    ended_by = 0
    # A log, and a run that does not end by itself (idle), get their lines immediately.
    buffers = [
        None
        if isinstance(lines, LogLines) or waits_for_news(one, context)
        else BufferedLines(lines)
        for one in accounts
    ]
    kept = [buffered for buffered in buffers if buffered]

    async def one(place: int) -> None:
        if waits_for_news(accounts[place], context):
            jobs = list(jobs_for(accounts[place], 0.0, random))
            codes[place] = await wait_for_news(pool, jobs, lines)
            return
        buffered = buffers[place]
        try:
            codes[place] = await pool.poll(accounts[place], buffered or lines)
        except Exception as fault:
            # The other accounts must still be polled.
            (buffered or lines).complain(f"internal error, please report it: {place_of(fault)}")
        finally:
            # Print when the poll ends, not in the order of the file: otherwise a slow account
            # would delay the lines of all others.
            if buffered:
                buffered.print()
                kept.remove(buffered)
            if len(kept) == 1 and len(buffers) == sum(one is not None for one in buffers):
                kept[0].stop_buffering()

    async def all_of_them(scope: trio.CancelScope) -> None:
        async with trio.open_nursery() as polls:
            for place in range(len(accounts)):
                polls.start_soon(one, place)
        scope.cancel()

    deadline = Deadline()
    with deadline, trio.open_signal_receiver(*filter(is_wanted, SIGNALS)) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(all_of_them, nursery.cancel_scope)
            async for number in signals:
                ended_by = number
                deadline.begin(GRACE, ExitCode.UNDEFINED, lines.complain)
                nursery.cancel_scope.cancel()
    return codes, ended_by
