"""The daemon as a process: signals, reload of the rc file, and the service manager."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import trio

from ... import __version__
from ...adapters.config.caller import Caller
from ...adapters.config.errors import ConfigErrors, ConfigRefused
from ...adapters.config.load import Configuration, load
from ...adapters.config.options import GLOBAL, OPTIONS
from ...adapters.config.secret_table import needs_password
from ...adapters.config.secrets import have_changed
from ...adapters.config.settings import AccountSettings, GlobalSettings
from ...adapters.ledger.alerts import AlertBook
from ...adapters.ledger.results import entry_results
from ...adapters.ledger.store import LedgerFault
from ...flows.outcome import ExitCode, PollFailed, PollResult
from ...flows.reminders import Reminders
from ...protocols.record import replace
from ..polls.context import PollContext, local_hostname, make_context
from ..polls.interrupted import Deadline
from ..polls.jobs import Job, JobState
from ..polls.lines import Lines
from ..polls.logs import LogLines, logged
from ..polls.pidfile import PidFile, default_pidfile
from ..polls.pool import PollPool
from ..polls.state_folder import store_of
from .control import Control, socket_path
from .log import Log
from .network import watch_network
from .notify import Notifier
from .scheduler import LAST_SECONDS, Scheduler
from .side_work import attempt, fenced
from .view import View

if TYPE_CHECKING:
    from .exposition import Exposition

T = TypeVar("T")
TICK = 5.0
"""Seconds between two checks of the rc file and the clocks."""
GRACE = 5.0
"""Seconds after the end of the last poll, or the deadline for it, within which the process ends."""
ASLEEP = 10.0
"""Seconds by which the clocks differ after the machine was suspended."""


LAST_NOTES = 5.0
"""Seconds that the ledger may take to store the last results at the end."""
CALM = 30.0
"""Seconds after a failed poll before a changed file leads to the next one: a file that is written
again and again must not cause one refused login after the other."""
MAY_BE_PASSWORD = frozenset({ExitCode.AUTHFAIL, ExitCode.IOERR})
"""Codes of polls that may succeed with another password."""
PROCESS = frozenset(
    {
        *("daemon", "logfile", "syslog", "jsonlog", "maxconnections", "pidfile", "properties"),
        *("store", "lease"),
        *("metrics", "metricsanywhere", "progress"),
    }
)
"""Words after ``set`` that are about the process; all others are about polls."""


def serve(
    configuration: Configuration,
    caller: Caller,
    lines: Lines,
    arguments: Sequence[str],
    pidfile: PidFile | None = None,
) -> ExitCode:
    """Keep the accounts polled until a signal ends the daemon.

    ``arguments`` are those of the command line, which a reload applies again.
    """
    return trio.run(Service(configuration, caller, lines, arguments, pidfile=pidfile).run)


class Service:
    """One daemon.

    Everything beside the polls has a task of its own (``side_work``), whose faults do not reach
    them. Work that may block there has a thread of its own.
    """

    def __init__(
        self,
        configuration: Configuration,
        caller: Caller,
        lines: Lines,
        arguments: Sequence[str],
        notifier: Notifier | None = None,
        pidfile: PidFile | None = None,
    ) -> None:
        self._configuration = configuration
        self._caller = caller
        self._lines = Log(lines)
        no_log = Lines(lines.verbosity, program=lines.program)
        self._plain = no_log if isinstance(lines, LogLines) else lines
        self._arguments = arguments
        self._notifier = notifier or Notifier()
        self._pidfile = pidfile
        context = make_context(configuration, caller, self._lines)
        context = context.with_stopping(lambda: self.scheduler.begins_no_more)
        self.pool = PollPool(context.with_reminders(Reminders()))
        self._ledger = context.ledger
        self.scheduler = self._make_scheduler()
        self._interval = configuration.globals.daemon
        self.view = View(self.scheduler, self.pool, lambda: self._interval)
        self.exposition: Exposition | None = None
        self._metrics_wanted = trio.Event()
        self._side_threads = trio.CapacityLimiter(8)
        self._reload_wanted = trio.Event()
        self._stamp: tuple[int, int] | None = None
        self._deadline = Deadline()

    def _make_scheduler(self) -> Scheduler:
        if not self._ledger.is_shared:
            return Scheduler(self.pool, self._lines)
        from .fleet_store import fleet_scheduler  # few daemons share a store

        read_row = partial(read_row_of, lambda: self._configuration, self._caller)
        return fleet_scheduler(self.pool, self._lines, read_row)

    async def run(self) -> ExitCode:
        """Serve until a signal ends it, then return SUCCESS."""
        self._lines.say(f"starting {self._lines.program} {__version__} daemon")
        if not self._ledger.is_shared:
            # Of a store only what concerns the accounts that this machine polls is read.
            attempt("ledger", self._load_results, self._lines.complain)
        self.scheduler.set_accounts(self._configuration.accounts, float(self._interval))
        try:
            async with trio.open_nursery() as nursery:
                for what, work in self._side_work().items():
                    nursery.start_soon(fenced, what, work, self._lines.complain)
                self._notifier.ready(self._status())
                await self.scheduler.run()
                nursery.cancel_scope.cancel()
            with trio.move_on_after(LAST_NOTES):
                await fenced("status", self._note_results, self._lines.complain)
        finally:
            with self._deadline:
                attempt("ledger", self._ledger.close, self._lines.complain)
        return ExitCode.SUCCESS

    def _side_work(self) -> Mapping[str, Callable[[], Awaitable[object]]]:
        """Return the work beside the polls, by the names that log lines give it."""
        return {
            "signals": self._hear_signals,
            "reload": self._reload_when_wanted,
            "rc file": self._watch_file,
            "files with passwords": self._watch_secrets,
            "clocks": self._watch_clocks,
            "status": self._note_status,
            "watchdog": self._feed_watchdog,
            "control socket": Control(
                self.view, socket_path(self._caller, self._configuration.globals)
            ).run,
            "metrics": self._serve_metrics,
            "network": lambda: watch_network(lambda: self._renew("has another address")),
        }

    async def _serve_metrics(self) -> None:
        """Serve metrics over HTTP, from the first time that the configuration asks for it."""
        if self._configuration.globals.metrics is None:
            await self._metrics_wanted.wait()
        from .exposition import Exposition  # few daemons need it, and it needs an extra

        self.exposition = Exposition(self.view, self._lines.say)
        self.exposition.use(self._configuration.globals.metrics)
        await self.exposition.run()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run work that may block, such as on a hung disk, in a thread of its own."""
        return await trio.to_thread.run_sync(
            work, abandon_on_cancel=True, limiter=self._side_threads
        )

    # The results of polls

    def _load_results(self) -> None:
        """Read from the ledger how earlier polls ended."""
        # If the ledger cannot be read, each poll reports it.
        with suppress(LedgerFault):
            self.scheduler.load_results(entry_results(self._ledger))
            self.scheduler.alerts.told = list(AlertBook(self._ledger).told())

    def _store_results(self, results: Sequence[PollResult]) -> bool:
        """Store these results in the ledger, if that is possible."""
        try:
            self._ledger.record_results(results)
        except LedgerFault:
            return False
        return True

    async def _note_status(self) -> None:
        while True:
            await trio.sleep(TICK)
            self._notifier.status(self._status())
            await self._note_results()

    async def _note_results(self) -> None:
        results = self.scheduler.unwritten
        if not results:
            return
        self.scheduler.unwritten = []
        stored = False
        try:
            stored = await self._in_thread(partial(self._store_results, results))
        finally:
            if not stored:
                self.scheduler.unwritten[:0] = results

    def _status(self) -> str:
        jobs = self.scheduler.jobs
        parked = sum(job.schedule.parked for job in jobs)
        consents = sum(job.needs_consent for job in jobs)
        failing = sum(job.schedule.failures > 0 for job in jobs)
        text = f"{len(jobs)} polled, {failing} failing, {parked} with a refused login"
        if consents:
            text += f', {consents} need "mailhaul login"'
        lost = self._lines.lost
        return f"{text}; the log cannot be written: {lost}" if lost else text

    # Signals, clocks and the service manager

    async def _hear_signals(self) -> None:
        wanted = (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
        with trio.open_signal_receiver(*wanted) as signals:
            async for number in signals:
                attempt("signals", partial(self._act_on_signals, number), self._lines.complain)

    def _act_on_signals(self, number: int) -> None:
        if number == signal.SIGUSR1:
            self._lines.say(f"awakened by signal {int(number)}")
            self.scheduler.wake()
        elif number == signal.SIGHUP:
            self._reload_wanted.set()
        else:
            self._lines.complain(f"terminated with signal {int(number)}")
            self._notifier.stopping()
            seconds = LAST_SECONDS + GRACE
            self._deadline.begin(seconds, ExitCode.UNDEFINED, self._lines.complain)
            self.scheduler.stop()

    async def _watch_clocks(self) -> None:
        behind = suspended_seconds()
        while True:
            await trio.sleep(TICK)
            if suspended_seconds() - behind > ASLEEP:
                self._renew("was asleep")
            behind = suspended_seconds()

    def _renew(self, why: str) -> None:
        self._lines.detail(f"the machine {why}: all connections are opened again")
        self.scheduler.renew()

    async def _feed_watchdog(self) -> None:
        while self._notifier.watchdog:
            self._notifier.alive()
            await trio.sleep(self._notifier.watchdog / 3)

    # Reload

    async def _watch_file(self) -> None:
        while True:
            before = self._stamp
            stamp = await self._in_thread(self._rc_stamp)
            # A reload that began meanwhile looks at the file itself.
            if self._stamp == before:
                if before not in (None, stamp):
                    self._reload_wanted.set()
                self._stamp = stamp
            await trio.sleep(TICK)

    async def _watch_secrets(self) -> None:
        """Poll an account at once when its password or token has changed after a failure."""
        while True:
            await trio.sleep(TICK)
            found = partial(woken_jobs, self.scheduler.jobs, self.pool.context)
            for job, why in await self._in_thread(found):
                if job in self.scheduler.jobs and job.state is JobState.WAITING:
                    self._lines.say(f"{job.name}: {why}", job.key)
                    self.scheduler.wake_one(job)

    def _rc_stamp(self) -> tuple[int, int]:
        try:
            there = os.stat(self._configuration.rcfile)
        except OSError:
            return (0, 0)
        return (there.st_mtime_ns, there.st_ino)

    async def _reload_when_wanted(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted = trio.Event()
            self._notifier.reloading(time.monotonic_ns() // 1000)
            try:
                await self.reload()
            finally:
                self._notifier.ready(self._status())

    async def reload(self) -> None:
        """Read the rc file again. An error in it is reported, and nothing changes."""
        if self._configuration.rcfile == "-":
            self._lines.complain("an rc file from standard input cannot be read again")
            return
        read = partial(load, self._arguments, self._caller, bytes)
        self._stamp = None
        try:
            # A change from now on is another reload.
            self._stamp = await self._in_thread(self._rc_stamp)
            configuration = await self._in_thread(read)
        except ConfigErrors as faults:
            problems = [str(fault) for fault in faults.errors]
        except ConfigRefused as refusal:
            problems = [str(refusal)]
        else:
            await self._apply(configuration)
            return
        for problem in problems:
            self._lines.complain(problem)
        self._lines.complain("the configuration stays as it was")

    async def _apply(self, configuration: Configuration) -> None:
        """Apply another configuration.

        What still holds continues: connections and schedules of unchanged accounts, the record of
        mails to the user, and the ledger.
        """
        for warning in configuration.warnings:
            self._lines.complain(str(warning))
        before, known = self._configuration.globals, self._configuration.accounts
        accounts = [with_known_password(one, known) for one in configuration.accounts]
        self._configuration = configuration.with_accounts(accounts)
        settings = configuration.globals
        await self._change_log(configuration)
        self._change_interval(settings.daemon)
        self._change_pidfile(settings)
        if store_of(settings) != store_of(before):
            self._lines.complain('"set store" has changed: that takes effect after a restart')
        if self.exposition is not None:
            self.exposition.use(settings.metrics)
        elif settings.metrics is not None:
            self._metrics_wanted.set()
        self.pool.context = replace(self.pool.context, globals=settings, hostname=local_hostname())
        if rules_of(settings) != rules_of(before):
            self.scheduler.restart_polls()
        self.scheduler.set_accounts(accounts, float(self._interval))
        self._lines.say(f"{configuration.rcfile} is read again")

    async def _change_log(self, configuration: Configuration) -> None:
        """Open the log again: it may be another file, or the old file may have been rotated."""
        settings = configuration.globals
        if settings.logfile and not os.path.exists(settings.logfile):
            self._lines.complain(f'"{settings.logfile}" does not exist; the log stays where it is')
            return
        try:
            log = await self._in_thread(partial(logged, configuration, self._plain))
        except PollFailed as failure:
            self._lines.complain(f"{failure}; the log stays where it is")
            return
        self._lines.change(log or self._plain)

    def _change_interval(self, seconds: int) -> None:
        if seconds > 0:
            self._interval = seconds
        else:
            self._lines.complain(f'no "set daemon": the interval of {self._interval} s stays')

    def _change_pidfile(self, settings: GlobalSettings) -> None:
        if self._pidfile is None:
            return
        path = settings.pidfile or default_pidfile(self._caller)
        try:
            self._pidfile.move(path, self._interval)
        except PollFailed as failure:
            self._lines.complain(f"{failure}; the pidfile stays where it is")


def woken_jobs(jobs: Iterable[Job], context: PollContext) -> list[tuple[Job, str]]:
    """Return the jobs that have failed and may succeed now, and why."""
    since = time.time() - CALM
    found: list[tuple[Job, str]] = []
    for job in jobs:
        failed = job.last_code in MAY_BE_PASSWORD and job.last_poll < since
        if failed and have_changed(job.secret_files):
            found.append((job, "the file with its password has changed"))
        elif job.tokens:
            from ..polls.tokens import has_new_tokens  # few accounts need it

            missing = [label for label, _, _ in job.tokens]
            if has_new_tokens(job.settings, context, missing):
                # The next poll says what is missing then. One that does not get as far as asking
                # for a token must not be followed by another at once.
                job.tokens = ()
                found.append((job, "there is a new token"))
    return found


def read_row_of(
    configuration: Callable[[], Configuration], caller: Caller, text: str, name: str
) -> AccountSettings:
    """Return the settings of an account of the store, as the rc file is now. See ``rows``."""
    from ...adapters.config.rows import RowReader  # few daemons share a store

    return RowReader(configuration(), caller).read(text, name)


def rules_of(settings: GlobalSettings) -> Mapping[str, object]:
    """Return the values of the words after ``set`` that are about polls."""
    names = {option.name for option in OPTIONS if option.level == GLOBAL}
    return {name: getattr(settings, name) for name in names - PROCESS}


def with_known_password(
    settings: AccountSettings, known: Sequence[AccountSettings]
) -> AccountSettings:
    """Fill in a password that was typed at the start: there is no terminal any more."""
    if not needs_password(settings):
        return settings
    for other in known:
        same = (other.host, other.remote_user) == (settings.host, settings.remote_user)
        if same and other.password is not None and other.typed:
            return settings.with_password(other.password, typed=True)
    return settings


def suspended_seconds(clock: Callable[[int], float] = time.clock_gettime) -> float:
    """Return for how many seconds the machine has been suspended since boot (CLOCK_BOOTTIME)."""
    return clock(time.CLOCK_BOOTTIME) - clock(time.CLOCK_MONOTONIC)
