"""The daemon as a process: signals, the rc file that changes, the manager that watches."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import trio

from ... import __version__
from ...adapters.config.caller import Caller
from ...adapters.config.errors import ConfigErrors, ConfigRefused
from ...adapters.config.load import Configuration, load
from ...adapters.config.netrc import needs_password
from ...adapters.config.settings import AccountSettings
from ...adapters.ledger.store import LedgerFault
from ...flows.outcome import ExitCode
from ...flows.reminders import Reminders
from ..cli.interrupted import Deadline
from ..cli.lines import Lines
from ..cli.polling import surroundings
from .control import Control, socket_path
from .crew import Crew
from .keeper import LAST_SECONDS, Keeper
from .network import watch_network
from .notify import Notifier

TICK = 5.0
"""Seconds between two looks at the rc file and at the clocks."""
GRACE = 5.0
"""Seconds after the last poll's end, or what should have been that, within which all is over."""
ASLEEP = 10.0
"""Seconds by which the clocks differ when the machine was suspended."""


def serve(
    configuration: Configuration, caller: Caller, lines: Lines, arguments: Sequence[str]
) -> ExitCode:
    """Keep the accounts polled until a signal ends it.

    ``arguments`` are those of the command line, by which the rc file is read again.
    """
    return trio.run(Service(configuration, caller, lines, arguments).run)


class Service:
    """One daemon."""

    def __init__(
        self,
        configuration: Configuration,
        caller: Caller,
        lines: Lines,
        arguments: Sequence[str],
        notifier: Notifier | None = None,
    ) -> None:
        self._configuration = configuration
        self._caller = caller
        self._lines = lines
        self._arguments = arguments
        self._notifier = notifier or Notifier()
        self._around = surroundings(configuration, caller, lines)
        self._around = self._around.with_stopping(lambda: self.keeper.stopping)
        self._around = self._around.with_reminders(Reminders())
        self.keeper = Keeper(Crew(self._around), lines)
        self._stamp = self._rc_stamp()
        self._written: dict[str, float] = {}
        self._deadline = Deadline()
        self._ledger_thread = trio.CapacityLimiter(1)

    async def run(self) -> ExitCode:
        """Serve until a signal ends it, which is how it should end: SUCCESS."""
        self._lines.say(f"starting mailhaul {__version__} daemon")
        self._recall()
        self._keep(self._configuration)
        control = Control(self.keeper, socket_path(self._caller))
        try:
            async with trio.open_nursery() as nursery:
                for work in (self._hear_signals, self._tick, self._feed_watchdog, control.run):
                    nursery.start_soon(work)
                nursery.start_soon(watch_network, lambda: self._renew("has another address"))
                self._notifier.ready(self._status())
                await self.keeper.run()
                nursery.cancel_scope.cancel()
            self._remember(self._successes())
        finally:
            with self._deadline:
                self._around.ledger.close()
        return ExitCode.SUCCESS

    def _recall(self) -> None:
        """Learn from the ledger since when an account may be in trouble."""
        # A ledger that cannot be read is each poll's to complain of.
        with suppress(LedgerFault):
            self._written = dict(self._around.ledger.last_success())
            self.keeper.last_success |= self._written

    def _successes(self) -> dict[str, float]:
        """Return what the ledger does not know of yet."""
        return dict(self.keeper.last_success.items() - self._written.items())

    def _remember(self, successes: Mapping[str, float]) -> None:
        """Write it down."""
        if successes:
            with suppress(LedgerFault):
                self._around.ledger.went_well(successes)
                self._written |= successes

    def _keep(self, configuration: Configuration) -> None:
        self.keeper.keep(configuration.accounts, float(configuration.globals.daemon))

    def _status(self) -> str:
        posts = self.keeper.posts
        parked = sum(post.schedule.parked for post in posts)
        failing = sum(post.schedule.failures > 0 for post in posts)
        return f"{len(posts)} kept, {failing} failing, {parked} with a refused login"

    async def _hear_signals(self) -> None:
        wanted = (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
        with trio.open_signal_receiver(*wanted) as signals:
            async for number in signals:
                if number == signal.SIGUSR1:
                    self._lines.say(f"awakened by signal {int(number)}")
                    self.keeper.wake()
                elif number == signal.SIGHUP:
                    self._reload()
                else:
                    self._lines.complain(f"terminated with signal {int(number)}")
                    self._notifier.stopping()
                    seconds = LAST_SECONDS + GRACE
                    self._deadline.begin(seconds, ExitCode.UNDEFINED, self._lines.complain)
                    self.keeper.stop()

    async def _tick(self) -> None:
        behind = suspended_seconds()
        while True:
            await trio.sleep(TICK)
            if (stamp := self._rc_stamp()) != self._stamp:
                self._stamp = stamp
                self._reload()
            if suspended_seconds() - behind > ASLEEP:
                self._renew("was asleep")
            behind = suspended_seconds()
            await trio.to_thread.run_sync(
                self._remember, self._successes(), limiter=self._ledger_thread
            )
            self._notifier.status(self._status())

    def _renew(self, why: str) -> None:
        self._lines.detail(f"the machine {why}: all connections are made anew")
        self.keeper.renew()

    async def _feed_watchdog(self) -> None:
        while self._notifier.watchdog:
            self._notifier.alive()
            await trio.sleep(self._notifier.watchdog / 3)

    def _rc_stamp(self) -> tuple[int, int]:
        try:
            there = os.stat(self._configuration.rcfile)
        except OSError:
            return (0, 0)
        return (there.st_mtime_ns, there.st_ino)

    def _reload(self) -> None:
        """Read the rc file again; one with a fault changes nothing, and says so."""
        if self._configuration.rcfile == "-":
            self._lines.complain("an rc file from standard input cannot be read again")
            return
        self._notifier.reloading(time.monotonic_ns() // 1000)
        if configuration := self._read_again():
            known = self._configuration
            accounts = [with_known_password(one, known.accounts) for one in configuration.accounts]
            configuration = configuration.with_accounts(accounts)
            self._lines.say(f"{configuration.rcfile} is read again")
            self._configuration = configuration
            self._keep(configuration)
        self._notifier.ready(self._status())

    def _read_again(self) -> Configuration | None:
        try:
            configuration = load(self._arguments, self._caller, bytes)
        except ConfigErrors as faults:
            problems = [str(fault) for fault in faults.errors]
        except ConfigRefused as refusal:
            problems = [str(refusal)]
        else:
            for warning in configuration.warnings:
                self._lines.complain(str(warning))
            return configuration
        for problem in problems:
            self._lines.complain(problem)
        self._lines.complain("the configuration stays as it was")
        return None


def with_known_password(
    settings: AccountSettings, known: Sequence[AccountSettings]
) -> AccountSettings:
    """Fill in a password that was typed at the start: now there is nobody to ask."""
    if not needs_password(settings):
        return settings
    for other in known:
        same = (other.host, other.remote_user) == (settings.host, settings.remote_user)
        if same and other.password is not None:
            return settings.with_password(other.password)
    return settings


def suspended_seconds(clock: Callable[[int], float] = time.clock_gettime) -> float:
    """Return for how long the machine has been asleep since it was started (CLOCK_BOOTTIME)."""
    return clock(time.CLOCK_BOOTTIME) - clock(time.CLOCK_MONOTONIC)
