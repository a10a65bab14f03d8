"""What is the same for every account of a run."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from ...adapters.config.caller import Caller
from ...adapters.config.load import Configuration
from ...adapters.config.settings import GlobalSettings, RunSettings
from ...flows.session import SessionObserver
from ...protocols.machine import Tap
from ...protocols.record import Record, replace
from .lines import Lines
from .state_folder import LEDGER, ledger_of, link_usual_folder, second_ledger, state_folder

if TYPE_CHECKING:
    from ...adapters.config.settings import AccountSettings
    from ...adapters.ledger.store import SqlLedger
    from ...adapters.login.access import TokenSource
    from ...adapters.login.throttled import RestWanted
    from ...adapters.transcript.recorder import Tape
    from ...flows.reminders import Reminders
    from ...protocols.secret import Secret
    from ...runtimes.engine import ChannelObserver


TapFor = Callable[[str], Tap | None]
"""Takes the name of a protocol ("IMAP", "SMTP", "LMTP"); returns its tap, or None for none."""


Hold = Callable[[], AbstractContextManager[object]]
"""Returns what keeps signals and cancellations waiting, until a token is stored."""


NoteToken = Callable[[str, str, str], None]
"""Takes whose token it is, the kind of the failure (``adapters.oauth.keeper``) and a sentence."""


class RestNote:
    """The rest that a server wants, as far as a poll has found out, and what the day allows."""

    __slots__ = ("full_until", "wanted")

    def __init__(self) -> None:
        self.wanted: RestWanted | None = None
        """The longest rest that the server wants."""
        self.full_until = 0.0
        """Until when no more may be fetched (Unix time), because of ``daylimit``."""

    def __call__(self, wanted: RestWanted) -> None:
        """Note that the server wants a rest. A time that it names counts before others."""
        before = self.wanted
        if before is None or (wanted.explicit, wanted.seconds) > (before.explicit, before.seconds):
            self.wanted = wanted

    def clear(self) -> None:
        """Forget everything: another poll begins."""
        self.wanted, self.full_until = None, 0.0


class PollContext(Record):
    """What is the same for every account of a run."""

    caller: Caller
    globals: GlobalSettings
    check: bool
    ledger: SqlLedger
    locks: str
    hostname: str
    tap_for: TapFor
    stopping: Callable[[], bool] = lambda: False
    """Whether the program ends: then no further message is begun."""
    login_delay: Callable[[float], None] = lambda seconds: None
    """Called with the seconds that a server wants between logins."""
    reminders: Reminders | None = None
    """When the user got mails about oversized messages; None in a single run, which prints them."""
    dots: Callable[[str], None] | None = None
    """Called with the signs of progress (``showdots``)."""
    octets: Callable[[int], None] | None = None
    """Called with the octets of messages that arrive, if there is a bar."""
    session: SessionObserver = SessionObserver()
    """Gets to know of the logins and logouts of a poll."""
    tape: Tape | None = None
    """The transcript, if the user wants one."""
    warn: Callable[[str], None] = lambda text: None
    """Called with warnings about files with secrets."""
    hide: Callable[[Secret], None] = lambda secret: None
    """Called with each secret that is read: no line of the poll shows it."""
    note_token: NoteToken = lambda label, kind, sentence: None
    """Called with whose token it is, and why there is none, or two empty texts if there is one."""
    rest: RestNote | None = None
    """Gets to know that the server wants a rest."""
    resting: Callable[[float], None] = lambda seconds: None
    """Called with the seconds for which the account rests."""
    hold: Hold = nullcontext
    """Keeps signals and cancellations waiting."""
    claimed: Mapping[str, SqlLedger] = {}
    """The ledgers of entries that were claimed, in a store that several machines share."""

    def ledger_for(self, entry: str) -> SqlLedger:
        """Return the ledger for the polls of an entry."""
        return self.claimed.get(entry, self.ledger)

    def tell_all(self, warnings: Iterable[str]) -> None:
        """Print warnings about files with secrets."""
        for warning in warnings:
            self.warn(warning)

    @property
    def tokens(self) -> str:
        """The folder of the tokens."""
        return os.path.join(os.path.dirname(self.locks), "tokens")

    @property
    def observer(self) -> ChannelObserver | None:
        """The observer of every connection, if there is a transcript."""
        return self.tape.watch if self.tape else None

    def with_stopping(self, stopping: Callable[[], bool]) -> PollContext:
        """Return the same context for a program that may be stopped."""
        return replace(self, stopping=stopping)

    def with_reminders(self, reminders: Reminders) -> PollContext:
        """Return the same context for a daemon."""
        return replace(self, reminders=reminders)


def local_hostname() -> str:
    """Return the name of this host, without asking a name server."""
    return socket.gethostname() or "localhost"


def make_context(configuration: Configuration, caller: Caller, lines: Lines) -> PollContext:
    """Return the context of a run."""
    folder = state_folder(caller, os.environ, configuration.globals)
    link_usual_folder(folder, caller)
    if other := second_ledger(folder, caller, os.environ):
        lines.complain(f"there are two ledgers; {folder}/{LEDGER} is used, {other} is not")
    return PollContext(
        caller=caller,
        globals=configuration.globals,
        check=configuration.run.check,
        ledger=ledger_of(folder, configuration.globals),
        locks=os.path.join(folder, "locks"),
        hostname=local_hostname(),
        tap_for=lambda protocol: tap_for(lines, protocol),
        tape=tape_for(configuration.run, lines),
    )


def context_for(context: PollContext, lines: Lines) -> PollContext:
    """Return the context of one poll, whose lines go to ``lines``."""
    dots = lines.progress if context.globals.showdots else None
    taps = partial(tap_for, lines) if lines.verbosity >= 2 else no_tap
    return replace(
        context,
        tap_for=taps,
        dots=dots,
        octets=lines.counter(""),
        rest=RestNote(),
        warn=lines.warn,
        hide=partial(hide_secret, lines, context.tape),
    )


def source_tokens(settings: AccountSettings, context: PollContext) -> TokenSource | None:
    """Return where the tokens for the server of an account come from; None without OAuth."""
    if settings.auth != "oauth":
        return None
    from .tokens import source_host, tokens_for  # few accounts need it

    host = source_host(settings)
    return tokens_for(settings, context, settings.kind.family, settings.remote_user, host)


def hide_secret(lines: Lines, tape: Tape | None, secret: Secret) -> None:
    """Show ``*`` for this secret in lines and in the transcript."""
    lines.hide(secret.reveal().decode("utf-8", "replace"))
    if tape:
        tape.hide(secret.reveal())


def tape_for(run: RunSettings, lines: Lines) -> Tape | None:
    """Return the transcript that the user wants, if any. Raises PollFailed (IOERR)."""
    if run.trace is None:
        return None
    from .tape import open_tape

    return open_tape(run.trace, lines.complain, bodies=run.trace_bodies)


class DialogueLines(Tap):
    """Prints the dialogue of one protocol."""

    def __init__(self, lines: Lines, protocol: str) -> None:
        self._lines = lines
        self._protocol = protocol

    def line(self, direction: str, line: bytes) -> None:
        """Print one line."""
        self._lines.detail(f"{self._protocol}{direction} {line.decode('utf-8', 'replace')}")


def no_tap(protocol: str) -> None:
    """Show no dialogue of this protocol."""
    del protocol


def tap_for(lines: Lines, protocol: str) -> Tap | None:
    """Return the tap that prints the dialogue of a protocol, or None if it is not shown."""
    return DialogueLines(lines, protocol) if lines.verbosity >= 2 else None
