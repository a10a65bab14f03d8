"""The polls of one run: one account on the blocking runtime, several under trio."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ... import __version__
from ...adapters.config.caller import Caller
from ...adapters.config.load import Configuration
from ...adapters.config.netrc import needs_password
from ...adapters.config.settings import AccountSettings, RunSettings
from ...adapters.ledger.lock import AccountLock
from ...adapters.ledger.store import SqliteLedger
from ...flows.account import Account
from ...flows.outcome import ExitCode, PollFailed
from ...protocols.machine import Trace
from ...protocols.secret import Secret
from ...runtimes import blocking
from ...runtimes.engine import Engine
from .interrupted import Interrupted
from .lines import AccountLines, Lines, escape, status_line
from .plan import Surroundings, account_of, kind_of, local_hostname, plan
from .state_folder import LEDGER, lead_to, second_ledger, state_folder

if TYPE_CHECKING:
    from ...adapters.transcript.recorder import Tape
    from .plan import MailSource

SINKS = {
    "append": "APPEND",
    "mbox": "mbox",
    "maildir": "Maildir",
    "bsmtp": "BSMTP",
    "mda": "MDA",
}
"""How status lines call the sinks that an option of their own chooses."""


def poll_all(configuration: Configuration, caller: Caller, lines: Lines) -> ExitCode:
    """Poll every account, side by side unless told otherwise.

    The exit code is 0 if any brought mail, else that of the last one in the file.
    """
    if configuration.run.check:
        lines.detail("Check mode enabled, not fetching mail")
    around = surroundings(configuration, caller, lines)
    accounts = configuration.accounts
    try:
        waiting = any(one.idle for one in accounts) and not configuration.run.check
        if configuration.run.one_by_one or (len(accounts) == 1 and not waiting):
            return combined([run_alone(one, around, lines) for one in accounts])
        from ..daemon.side_by_side import poll_side_by_side

        # Who is asked for a password should not have to guess which poll wants it.
        accounts = tuple(with_typed_password(settings) for settings in accounts)
        codes, number = poll_side_by_side(accounts, around, lines)
    finally:
        around.ledger.close()
    if number:
        raise Interrupted(number)
    return combined(codes)


def run_alone(settings: AccountSettings, around: Surroundings, lines: Lines) -> ExitCode:
    """Poll one account while nothing else goes on."""
    engine = Engine(time.monotonic, around.witness)
    return blocking.run(poll_account(settings, around, lines), engine)


def surroundings(configuration: Configuration, caller: Caller, lines: Lines) -> Surroundings:
    """Return what is the same for every account."""
    folder = state_folder(caller, os.environ, configuration.globals)
    lead_to(folder, caller)
    if other := second_ledger(folder, caller, os.environ):
        lines.complain(f"there are two ledgers; {folder}/{LEDGER} is used, {other} is not")
    return Surroundings(
        caller=caller,
        globals=configuration.globals,
        check=configuration.run.check,
        ledger=SqliteLedger(os.path.join(folder, LEDGER)),
        locks=os.path.join(folder, "locks"),
        hostname=local_hostname(),
        tracer=lambda protocol: tracer(lines, protocol),
        tape=tape_for(configuration.run),
    )


def tape_for(run: RunSettings) -> Tape | None:
    """Return what writes the transcript that the user wants. Raises PollFailed (IOERR)."""
    if run.trace is None:
        return None
    from .transcript import open_tape

    return open_tape(run.trace, bodies=run.trace_bodies)


def combined(codes: Sequence[ExitCode]) -> ExitCode:
    """Return the exit code of a run from those of its accounts, in the order of the file."""
    if ExitCode.SUCCESS in codes:
        return ExitCode.SUCCESS
    return codes[-1] if codes else ExitCode.NOMAIL


async def poll_account(
    settings: AccountSettings,
    around: Surroundings,
    lines: Lines,
    source: MailSource | None = None,
) -> ExitCode:
    """Poll one account; what goes wrong with it is printed and is its exit code.

    This is a flow, for a runtime to run.
    """
    lines.detail(f"{about(settings)}: poll started")
    try:
        settings = with_password(settings)
        for secret in (settings.password, settings.appendpassword, settings.esmtppassword):
            if secret is not None:
                lines.hide(secret.reveal().decode("utf-8", "replace"))
                if around.tape:
                    around.tape.hide(secret.reveal())
        code = await poll_locked(settings, around, lines, source)
    except PollFailed as failure:
        lines.complain(str(failure))
        code = failure.code
    lines.detail(f"{about(settings)}: poll completed")
    if code not in {ExitCode.SUCCESS, ExitCode.NOMAIL}:
        lines.say(status_line(code))
    return code


async def poll_locked(
    settings: AccountSettings,
    around: Surroundings,
    lines: Lines,
    source: MailSource | None = None,
) -> ExitCode:
    """Poll one account while nobody else does. Raises PollFailed."""
    if settings.protocol == "auto" and source is None:
        return await poll_some(settings, around, lines)
    account = account_of(settings, around.check)
    with AccountLock(around.locks, account.name):
        poll = plan(settings, around, account_lines(settings, account, lines), source)
        if not (settings.preconnect or settings.postconnect):
            return await poll.run()
        from ...adapters.connect_commands import surrounded

        return await surrounded(poll.run, settings.preconnect, settings.postconnect)


async def poll_some(settings: AccountSettings, around: Surroundings, lines: Lines) -> ExitCode:
    """Poll by IMAP, and by POP3 where IMAP is not spoken. Raises PollFailed."""
    try:
        return await poll_locked(settings.with_protocol("imap"), around, lines)
    except PollFailed as failure:
        if failure.code is not ExitCode.PROTOCOL:
            raise
        lines.detail(str(failure))
    return await poll_locked(settings.with_protocol("pop3"), around, lines)


def account_lines(settings: AccountSettings, account: Account, lines: Lines) -> AccountLines:
    """Return what finds the words for what a poll of this account reports."""
    folders = settings.folders != ("INBOX",)
    in_parts = kind_of(settings) == "imap"
    return AccountLines(lines, account, folders, kind_of_sink(settings), in_parts=in_parts)


def kind_of_sink(settings: AccountSettings) -> str:
    """Return how status lines call where mail goes."""
    for name, shown in SINKS.items():
        if getattr(settings, name) is not None:
            return shown
    return "LMTP" if settings.lmtp else "SMTP"


def about(settings: AccountSettings) -> str:
    """Return how a verbose run introduces an account."""
    moment = time.strftime("%a, %d %b %Y %H:%M:%S %Z")
    protocol = settings.protocol.upper()
    return f"{__version__} querying {settings.pollname} (protocol {protocol}) at {moment}"


def with_password(settings: AccountSettings) -> AccountSettings:
    """Ask for a password that is missing, if there is somebody to ask.

    Raises PollFailed (AUTHFAIL) otherwise.
    """
    if settings.password is None and settings.keeps_password_elsewhere:
        from ...adapters.config.passwords import password_from

        return settings.with_password(password_from(settings))
    if not needs_password(settings):
        return settings
    whose = f"{settings.remote_user}@{settings.pollname}"
    if not os.isatty(0):
        raise PollFailed(
            ExitCode.AUTHFAIL,
            f"can't find a password for {whose}. Give one in the rc file or in ~/.netrc",
        )
    from getpass import getpass

    typed = getpass(f"Enter password for {escape(whose)}: ")
    return settings.with_password(Secret(typed.encode("utf-8", "surrogateescape")))


def with_typed_password(settings: AccountSettings) -> AccountSettings:
    """Ask for a password that only somebody at the terminal knows, if there is somebody."""
    if settings.keeps_password_elsewhere or not needs_password(settings) or not os.isatty(0):
        return settings
    return with_password(settings)


def tracer(lines: Lines, protocol: str) -> Trace | None:
    """Return what shows the dialogue of a protocol, if the user asked to see it."""
    if lines.verbosity < 2:
        return None
    return lambda way, line: lines.detail(f"{protocol}{way} {line.decode('utf-8', 'replace')}")
