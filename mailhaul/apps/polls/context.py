"""What is the same for every account of a run."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ...adapters.config.caller import Caller
from ...adapters.config.load import Configuration
from ...adapters.config.settings import GlobalSettings, RunSettings
from ...adapters.ledger.store import SqliteLedger
from ...protocols.machine import Trace
from .lines import Lines
from .state_folder import LEDGER, lead_to, second_ledger, state_folder

if TYPE_CHECKING:
    from ...adapters.transcript.recorder import Tape
    from ...flows.reminders import Reminders
    from ...runtimes.engine import Witness


TracerFor = Callable[[str], Trace | None]
"""Gives the trace of a protocol ("IMAP", "SMTP", "LMTP"), if the dialogue is to be shown."""


@dataclass(frozen=True, slots=True)
class PollContext:
    """What is the same for every account of a run."""

    caller: Caller
    globals: GlobalSettings
    check: bool
    ledger: SqliteLedger
    locks: str
    hostname: str
    tracer: TracerFor
    stopping: Callable[[], bool] = lambda: False
    """Whether the program is to come to an end: then no further message is begun."""
    login_delay: Callable[[float], None] = lambda seconds: None
    """Is told how many seconds a server wants between logins."""
    reminders: Reminders | None = None
    """Who was told by mail of what is too large; a single run prints it."""
    dots: Callable[[str], None] | None = None
    """Is given the signs of progress (``showdots``)."""
    tape: Tape | None = None
    """Where all is noted that is said, if the user wants a transcript."""

    @property
    def witness(self) -> Witness | None:
        """What is shown every connection."""
        return self.tape.watch if self.tape else None

    def with_stopping(self, stopping: Callable[[], bool]) -> PollContext:
        """Return the same for a program that may come to an end."""
        return replace(self, stopping=stopping)

    def with_reminders(self, reminders: Reminders) -> PollContext:
        """Return the same for a daemon."""
        return replace(self, reminders=reminders)


def local_hostname() -> str:
    """Return this host's own name, without asking any name server."""
    return socket.gethostname() or "localhost"


def make_context(configuration: Configuration, caller: Caller, lines: Lines) -> PollContext:
    """Return what is the same for every account."""
    folder = state_folder(caller, os.environ, configuration.globals)
    lead_to(folder, caller)
    if other := second_ledger(folder, caller, os.environ):
        lines.complain(f"there are two ledgers; {folder}/{LEDGER} is used, {other} is not")
    return PollContext(
        caller=caller,
        globals=configuration.globals,
        check=configuration.run.check,
        ledger=SqliteLedger(os.path.join(folder, LEDGER)),
        locks=os.path.join(folder, "locks"),
        hostname=local_hostname(),
        tracer=lambda protocol: tracer(lines, protocol),
        tape=tape_for(configuration.run, lines),
    )


def context_for(context: PollContext, lines: Lines) -> PollContext:
    """Return the same for a poll with lines of its own."""
    dots = lines.progress if context.globals.showdots else None
    return replace(context, tracer=partial(tracer, lines), dots=dots)


def tape_for(run: RunSettings, lines: Lines) -> Tape | None:
    """Return what writes the transcript that the user wants. Raises PollFailed (IOERR)."""
    if run.trace is None:
        return None
    from .tape import open_tape

    return open_tape(run.trace, lines.complain, bodies=run.trace_bodies)


def tracer(lines: Lines, protocol: str) -> Trace | None:
    """Return what shows the dialogue of a protocol, if the user asked to see it."""
    if lines.verbosity < 2:
        return None
    return lambda way, line: lines.detail(f"{protocol}{way} {line.decode('utf-8', 'replace')}")
