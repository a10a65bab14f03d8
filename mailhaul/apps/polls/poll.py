"""One account's poll: from its settings to the flow, and to the lines about its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ... import __version__
from ...adapters.config.secret_table import SECRETS
from ...adapters.config.settings import AccountSettings
from ...adapters.files import ID_FILE, read_file
from ...adapters.ledger.lock import MailboxLock
from ...adapters.ledger.names import mailbox_name, sink_name
from ...adapters.login.reach import access_of
from ...adapters.sinks.kinds import chosen_sink
from ...flows.account import Account
from ...flows.outcome import ExitCode, PollFailed
from ...flows.poll import Poll
from ...flows.report import Report
from ...flows.source import Listed
from .accounts import account_of, policy_of, with_password
from .context import PollContext, hide_secret
from .lines import AccountLines, Lines, status_line
from .packer import Packing, multidrop_of
from .sinks import sink_of
from .sources import source_of

if TYPE_CHECKING:
    from ...adapters.etrn import EtrnPoll
    from .sources import MailSource


def make_poll(
    settings: AccountSettings,
    context: PollContext,
    report: Report,
    source: MailSource | None = None,
) -> Poll | EtrnPoll:
    """Return the poll of one account, ready to run. Raises PollFailed for unusable settings.

    A ``source`` that is open already may be used again.
    """
    if settings.kind.collects:
        return make_mail_poll(settings, context, report, source)
    from ...adapters.etrn import EtrnPoll

    access = access_of(settings, context.tap_for("ETRN"))
    domains = settings.fetchdomains or (context.hostname,)
    return EtrnPoll(access, domains, context.hostname, report)


def make_mail_poll(
    settings: AccountSettings, context: PollContext, report: Report, source: MailSource | None
) -> Poll:
    """Return the poll of an account whose mail is collected. Raises PollFailed."""
    source = source or source_of(settings, context, report)
    name, sink = sink_of(settings, context)
    account = account_of(settings, context.check, policy_of(settings, context.globals))
    if settings.kind.family == "pop3":
        import_fetchids(settings, context, account, name)
    return Poll(
        account,
        source,
        sink_name(name),
        sink,
        context.ledger,
        Packing(settings, context, source, multidrop_of(settings, context)),
        report,
        context.stopping,
        context.reminders,
        lambda mailbox: MailboxLock(
            context.locks, account.name, mailbox_name(account.name, mailbox)
        ),
        context.session,
        tree=sink if settings.keeptree and settings.kind.family == "imap" else None,
    )


def import_fetchids(
    settings: AccountSettings, context: PollContext, account: Account, sink: str
) -> None:
    """Store in the ledger, once, which messages fetchmail has seen (``.fetchids``).

    Raises PollFailed (IOERR) if the file exists and cannot be read.
    """
    if context.ledger.knows(account.name):
        return
    path = context.globals.idfile
    try:
        data = read_file(path, ID_FILE)
    except FileNotFoundError:
        return
    except OSError as error:
        raise PollFailed(ExitCode.IOERR, f"idfile {path}: {error.strerror or error}") from None
    from ...adapters.ledger.fetchids import seen_uids

    if uids := seen_uids(data, settings.remote_user, settings.host):
        page = context.ledger.page(account.name, sink_name(sink), "INBOX", 0)
        page.mark_seen([Listed(uid) for uid in uids])


def combined_code(codes: Sequence[ExitCode]) -> ExitCode:
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
    """Poll one account. A failure is printed, and its code is returned.

    A failure after which the poll is repeated (``context.session``) is raised instead. This is a
    flow, for a runtime to run.
    """
    if lines.verbosity > 1:
        lines.detail(f"{introduction(settings)}: poll started")
    try:
        settings = with_password(settings, context)
        for name in SECRETS:
            secret = getattr(settings, name)
            if secret is not None:
                hide_secret(lines, context.tape, secret)
        code = await poll_once(settings, context, lines, source)
    except PollFailed as failure:
        if context.session.is_repeated():
            lines.detail(f"{failure}; the poll is repeated after others of this server")
            raise
        return report_failure(failure, settings, lines)
    return report_end(code, settings, lines)


def report_failure(failure: PollFailed, settings: AccountSettings, lines: Lines) -> ExitCode:
    """Print why a poll has failed and what to do; return its code."""
    from .advice import advised  # few polls fail

    lines.complain(advised(failure, settings))
    return report_end(failure.code, settings, lines)


def report_end(code: ExitCode, settings: AccountSettings, lines: Lines) -> ExitCode:
    """Print that a poll has ended, and its status unless it succeeded; return its code."""
    if lines.verbosity > 1:
        lines.detail(f"{introduction(settings)}: poll completed")
    if code not in {ExitCode.SUCCESS, ExitCode.NOMAIL}:
        lines.say(status_line(code))
    return code


async def poll_once(
    settings: AccountSettings,
    context: PollContext,
    lines: Lines,
    source: MailSource | None = None,
) -> ExitCode:
    """Poll one account by the protocol in its settings. Raises PollFailed."""
    if settings.protocol == "auto" and source is None:
        return await poll_auto(settings, context, lines)
    account = account_of(settings, context.check)
    poll = make_poll(settings, context, account_lines(settings, account, lines), source)
    if not (settings.preconnect or settings.postconnect):
        return await poll.run()
    from ...adapters.connect_commands import run_with_commands

    return await run_with_commands(poll.run, settings.preconnect, settings.postconnect)


async def poll_auto(settings: AccountSettings, context: PollContext, lines: Lines) -> ExitCode:
    """Poll by IMAP, or by POP3 if the server does not speak IMAP. Raises PollFailed."""
    try:
        return await poll_once(settings.with_protocol("imap"), context, lines)
    except PollFailed as failure:
        if failure.code is not ExitCode.PROTOCOL:
            raise
        lines.detail(str(failure))
    return await poll_once(settings.with_protocol("pop3"), context, lines)


def account_lines(settings: AccountSettings, account: Account, lines: Lines) -> AccountLines:
    """Return the lines for a poll of this account."""
    folders = settings.folders != ("INBOX",)
    in_parts = settings.kind.family == "imap"
    return AccountLines(lines, account, folders, chosen_sink(settings).title, in_parts=in_parts)


def introduction(settings: AccountSettings) -> str:
    """Return the text with which a verbose run introduces an account."""
    moment = time.strftime("%a, %d %b %Y %H:%M:%S %Z")
    protocol = settings.protocol.upper()
    return f"{__version__} querying {settings.pollname} (protocol {protocol}) at {moment}"
