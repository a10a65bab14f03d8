"""The polls of one run: one account on the blocking runtime, several under trio."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ... import __version__
from ...adapters.config.caller import Caller
from ...adapters.config.load import Configuration
from ...adapters.config.netrc import needs_password
from ...adapters.config.settings import AccountSettings, RunSettings
from ...adapters.ledger.store import LedgerFault, SqliteLedger
from ...flows.account import Account
from ...flows.outcome import ExitCode, PollFailed
from ...protocols.machine import Trace
from ...protocols.secret import Secret
from ...runtimes import blocking
from ...runtimes.engine import Engine
from .interrupted import Interrupted
from .lines import AccountLines, Lines, escape, status_line
from .plan import PollContext, account_of, kind_of, local_hostname, plan
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
    context = make_context(configuration, caller, lines)
    accounts = configuration.accounts
    try:
        waiting = any(one.idle for one in accounts) and not configuration.run.check
        if configuration.run.one_by_one or (len(accounts) == 1 and not waiting):
            codes: Sequence[ExitCode] = [run_alone(one, context, lines) for one in accounts]
            number = 0
        else:
            from ..cli.side_by_side import poll_side_by_side

            # Who is asked for a password should not have to guess which poll wants it.
            accounts = tuple(with_typed_password(settings) for settings in accounts)
            codes, number = poll_side_by_side(accounts, context, lines)
        note_successes(accounts, codes, context, lines)
    finally:
        context.ledger.close()
    if number:
        raise Interrupted(number)
    return combined(codes)


def note_successes(
    accounts: Sequence[AccountSettings],
    codes: Sequence[ExitCode],
    context: PollContext,
    lines: Lines,
) -> None:
    """Leave behind when each account was polled well last: for a daemon, and for who asks it."""
    from ...flows.schedule import GOOD

    now = time.time()
    times = {key: now for key, code in zip(keys_of(accounts), codes, strict=True) if code in GOOD}
    if not times or context.check:
        return
    try:
        context.ledger.record_success(times)
    except LedgerFault as fault:
        # The mail has come; nothing depends on this.
        lines.detail(str(fault))


def run_alone(settings: AccountSettings, context: PollContext, lines: Lines) -> ExitCode:
    """Poll one account while nothing else goes on."""
    engine = Engine(time.monotonic, context.witness)
    lines = lines.of(whose(settings))
    context = saying(context, lines)
    return blocking.run(poll_account(settings, context, lines), engine)


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


def saying(context: PollContext, lines: Lines) -> PollContext:
    """Return the same for a poll with lines of its own."""
    dots = lines.progress if context.globals.showdots else None
    return replace(context, tracer=partial(tracer, lines), dots=dots)


def tape_for(run: RunSettings, lines: Lines) -> Tape | None:
    """Return what writes the transcript that the user wants. Raises PollFailed (IOERR)."""
    if run.trace is None:
        return None
    from ..cli.transcript import open_tape

    return open_tape(run.trace, lines.complain, bodies=run.trace_bodies)


def combined(codes: Sequence[ExitCode]) -> ExitCode:
    """Return the exit code of a run from those of its accounts, in the order of the file."""
    if ExitCode.SUCCESS in codes:
        return ExitCode.SUCCESS
    return codes[-1] if codes else ExitCode.NOMAIL


async def poll_account(
    settings: AccountSettings,
    context: PollContext,
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
                if context.tape:
                    context.tape.hide(secret.reveal())
        code = await poll_once(settings, context, lines, source)
    except PollFailed as failure:
        return failed(failure, settings, lines)
    return completed(code, settings, lines)


def failed(failure: PollFailed, settings: AccountSettings, lines: Lines) -> ExitCode:
    """Say why a poll has failed; return its code."""
    lines.complain(str(failure))
    return completed(failure.code, settings, lines)


def completed(code: ExitCode, settings: AccountSettings, lines: Lines) -> ExitCode:
    """Say that a poll is over, and how it went unless it simply succeeded; return its code."""
    lines.detail(f"{about(settings)}: poll completed")
    if code not in {ExitCode.SUCCESS, ExitCode.NOMAIL}:
        lines.say(status_line(code))
    return code


async def poll_once(
    settings: AccountSettings,
    context: PollContext,
    lines: Lines,
    source: MailSource | None = None,
) -> ExitCode:
    """Poll one account by the protocol that is written down. Raises PollFailed."""
    if settings.protocol == "auto" and source is None:
        return await poll_some(settings, context, lines)
    account = account_of(settings, context.check)
    poll = plan(settings, context, account_lines(settings, account, lines), source)
    if not (settings.preconnect or settings.postconnect):
        return await poll.run()
    from ...adapters.connect_commands import run_with_commands

    return await run_with_commands(poll.run, settings.preconnect, settings.postconnect)


async def poll_some(settings: AccountSettings, context: PollContext, lines: Lines) -> ExitCode:
    """Poll by IMAP, and by POP3 where IMAP is not spoken. Raises PollFailed."""
    try:
        return await poll_once(settings.with_protocol("imap"), context, lines)
    except PollFailed as failure:
        if failure.code is not ExitCode.PROTOCOL:
            raise
        lines.detail(str(failure))
    return await poll_once(settings.with_protocol("pop3"), context, lines)


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


def whose(settings: AccountSettings) -> str:
    """Return how people call an account."""
    return f"{settings.remote_user}@{settings.pollname}"


def keys_of(accounts: Sequence[AccountSettings]) -> Sequence[str]:
    """Return what each is known by over runs and reloads: whose it is, and more only where needed.

    One user may have several entries at one server: then the folders tell them apart, then the
    protocol and the port, then, for one mailbox with several sinks, their order.
    """
    keys = [whose(one) for one in accounts]
    for detail in (folders_of, service_of):
        times = Counter(keys)
        keys = [
            key + detail(one) if times[key] > 1 else key
            for key, one in zip(keys, accounts, strict=True)
        ]
    seen: Counter[str] = Counter()
    for place, key in enumerate(keys):
        seen[key] += 1
        keys[place] = key if seen[key] == 1 else f"{key} #{seen[key]}"
    return keys


def folders_of(settings: AccountSettings) -> str:
    """Return what tells apart entries that differ in their folders."""
    usual = settings.folders in ((), ("INBOX",))
    return "" if usual else f" ({','.join(settings.folders)})"


def service_of(settings: AccountSettings) -> str:
    """Return what tells apart entries that differ in the way to the mailbox."""
    port = f":{settings.service}" if settings.service is not None else ""
    return f" {settings.protocol}{port}"


def about(settings: AccountSettings) -> str:
    """Return how a verbose run introduces an account."""
    moment = time.strftime("%a, %d %b %Y %H:%M:%S %Z")
    protocol = settings.protocol.upper()
    return f"{__version__} querying {settings.pollname} (protocol {protocol}) at {moment}"


def with_password(settings: AccountSettings) -> AccountSettings:
    """Ask for a password that is missing, if there is somebody to ask.

    Raises PollFailed: AUTHFAIL where there is nobody, IOERR where what has the password fails.
    """
    if settings.password is None and settings.keeps_password_elsewhere:
        from ...adapters.config.passwords import password_from

        return settings.with_password(password_from(settings))
    if not needs_password(settings):
        return settings
    if not os.isatty(0):
        raise PollFailed(
            ExitCode.AUTHFAIL,
            f"can't find a password for {whose(settings)}. Give one in the rc file or in ~/.netrc",
        )
    from getpass import getpass

    typed = getpass(f"Enter password for {escape(whose(settings))}: ")
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
