"""One account's poll: from its settings to the flow, and from what that reports to lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, assert_never

from ... import __version__
from ...adapters.config.secret_table import SECRETS
from ...adapters.config.settings import AccountSettings
from ...adapters.files import ID_FILE, read_file
from ...adapters.ledger.names import mailbox_name, sink_name
from ...adapters.ledger.store import LedgerFault, SqlLedger
from ...adapters.login.reach import access_of
from ...adapters.sinks.kinds import chosen_sink
from ...flows.account import Account
from ...flows.fate import Fate
from ...flows.outcome import GOOD, NEUTRAL, ExitCode, Outcome, PollCounts, PollFailed
from ...flows.poll import Poll
from ...flows.report import (
    Counted,
    Event,
    Handled,
    LimitReached,
    Planned,
    Reading,
    Remark,
    Report,
    Returned,
    Skipped,
)
from ...flows.requests import LedgerCall
from ...flows.source import Listed, Uid, format_uid
from .accounts import account_of, name_of, policy_of, with_password
from .context import PollContext, hide_secret
from .lines import Lines, LinesOfPoll, plural
from .packer import Packing, multidrop_of
from .sinks import sink_of
from .sources import source_of

if TYPE_CHECKING:
    from ...adapters.etrn import EtrnPoll
    from ...flows.ferry import Meter
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
        lambda mailbox: context.ledger.lock(
            context.locks, account.name, mailbox_name(account.name, mailbox)
        ),
        context.session,
        meter=None if not settings.daylimit else day_meter(settings, context),
        tree=sink if settings.keeptree and settings.kind.family == "imap" else None,
    )


def day_meter(settings: AccountSettings, context: PollContext) -> Meter:
    """Return what limits the octets that an account fetches in a day."""
    from .rests import meter_of  # few accounts have a limit

    return meter_of(settings, context)


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


async def at_rest(
    settings: AccountSettings,
    ledger: SqlLedger,
    resting: Callable[[float], None],
    lines: LinesOfPoll,
) -> ExitCode | None:
    """Return the code for an account that rests, and say so; None if it does not rest.

    This comes before ``poll_account``, and before a connection is asked for. ``resting`` is called
    with the seconds that are left. This is a flow.
    """
    try:
        rest = await LedgerCall(partial(ledger.rest_of, name_of(settings)))
    except LedgerFault:
        # It is reported where the ledger is needed.
        return None
    if rest is None:
        return None
    from .rests import code_at_rest  # few accounts rest

    code = code_at_rest(rest, settings, ledger.clock(), resting, lines)
    return None if code is None else report_end(code, settings, lines)


async def poll_account(
    settings: AccountSettings,
    context: PollContext,
    lines: LinesOfPoll,
    source: MailSource | None = None,
) -> ExitCode:
    """Poll one account. A failure is printed, and its code is returned.

    A failure after which the poll is repeated (``context.session``) is raised instead. This is a
    flow, for a runtime to run.
    """
    if lines.verbosity > 1:
        lines.detail(f"{introduction(settings)}: poll started")
    note = context.rest
    if note is not None:
        note.clear()
    try:
        settings = with_password(settings, context)
        if settings.proxy or settings.proxyout:
            from .ways import with_proxy_passwords  # few accounts have a proxy

            settings = await with_proxy_passwords(settings, context)
        for name in SECRETS:
            secret = getattr(settings, name)
            if secret is not None:
                hide_secret(lines, context.tape, secret)
        code = await poll_once(settings, context, lines, source)
    except PollFailed as failure:
        wanted = note.wanted if note else None
        if not (wanted and wanted.explicit) and context.session.is_repeated():
            lines.detail(f"{failure}; the poll is repeated after others of this server")
            raise
        if wanted is not None:
            from .rests import begin_rest

            failure = await begin_rest(wanted, settings, context, lines, failure)
        return report_failure(failure, settings, lines)
    if note is not None and (note.full_until or (note.wanted and note.wanted.explicit)):
        from .rests import note_rest

        await note_rest(note, settings, context, lines)
    return report_end(code, settings, lines)


def report_failure(failure: PollFailed, settings: AccountSettings, lines: LinesOfPoll) -> ExitCode:
    """Print why a poll has failed and what to do; return its code."""
    from .advice import advised  # few polls fail

    lines.complain(advised(failure, settings), code=failure.code.name)
    return report_end(failure.code, settings, lines)


def report_end(code: ExitCode, settings: AccountSettings, lines: LinesOfPoll) -> ExitCode:
    """Print that a poll has ended, and its status unless it succeeded; return its code."""
    if lines.verbosity > 1:
        lines.detail(f"{introduction(settings)}: poll completed")
    if code not in {ExitCode.SUCCESS, ExitCode.NOMAIL}:
        lines.say(status_line(code), code=code.name)
    if summary := lines.closing(lines.counts):
        lines.raw(summary)
    lines.record(end_of_poll(code, lines.counts))
    return code


def end_of_poll(code: ExitCode, counts: PollCounts) -> dict[str, object]:
    """Return the record of a poll. ``size`` is that of all messages read, in octets."""
    return {
        "event": "poll",
        "level": "info" if code in GOOD or code in NEUTRAL else "error",
        "code": code.name,
        "fetched": counts.fetched,
        "delivered": counts.delivered,
        "size": counts.octets,
        "refused": counts.refused,
        "postponed": counts.postponed,
        "spam": counts.spam,
    }


async def poll_once(
    settings: AccountSettings,
    context: PollContext,
    lines: LinesOfPoll,
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


async def poll_auto(
    settings: AccountSettings, context: PollContext, lines: LinesOfPoll
) -> ExitCode:
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


class AccountLines:
    """The lines of one account's poll, made from what a flow reports."""

    def __init__(
        self,
        lines: Lines,
        account: Account,
        named_folders: bool,
        what: str,
        *,
        in_parts: bool = True,
    ) -> None:
        self._in_parts = in_parts
        self._lines = lines
        self._account = account
        self._named_folders = named_folders
        self._sink = what
        self._whose = f"{account.user}@{account.truename}"
        self._mailbox = ""
        self._begun: dict[tuple[int, Uid], str] = {}

    def __call__(self, event: Event) -> None:
        """Print what a flow reports."""
        lines = self._lines
        lines.note(event)
        match event:
            case Planned():
                pass
            case Counted():
                self._mailbox = event.mailbox
                self._begun.clear()
                self._count(event)
            case Reading():
                if lines.verbosity:
                    begun = self._beginning(event)
                    self._begun[event.number, event.uid] = begun
                    lines.begin(begun)
            case Handled(number, outcome, flushed, what_follows):
                if lines.verbosity:
                    begun = self._begun.pop((number, event.uid), "")
                    lines.end(begun, " flushed" if flushed else " not flushed")
                    lines.record(self._facts(event))
                if not outcome.accepted:
                    lines.complain(self._error(outcome, what_follows), code=ExitCode.SMTP.name)
                if outcome.warning:
                    lines.complain(f"{self._sink} warning: {outcome.warning}")
            case Returned(number, told, in_place, flushed, uid):
                whom = ", ".join(f"<{one.decode('utf-8', 'replace')}>" for one in told)
                why = "the sender cannot get a bounce; " if in_place else ""
                fate = "flushed" if flushed else "not flushed"
                lines.complain(
                    f"message {self._whose}:{number}: {why}a bounce was sent to {whom}, {fate}"
                )
                lines.record(self._returned(uid, flushed))
            case Skipped(number, size, reason, flushed):
                details = f" ({size} octets) ({reason})" if reason else ""
                fate = "flushed" if flushed else "not flushed"
                lines.raw(f"skipping message {self._whose}:{number}{details} {fate}")
            case LimitReached(limit, left):
                lines.say(
                    f"fetchlimit {limit} reached; {left} message{plural(left)} left on server "
                    f"{self._account.truename} account {self._account.user}"
                )
            case Remark(text, error, usual):
                (lines.complain if error else lines.say if usual else lines.detail)(text)
            case _:
                assert_never(event)

    def _count(self, counted: Counted) -> None:
        account = self._account
        where = f"{account.user} at {account.pollname}"
        if self._named_folders:
            where += f" (folder {counted.mailbox})"
        if not counted.total:
            self._lines.say(f"No mail for {where}")
            return
        seen = f" ({counted.seen} seen)" if counted.seen else ""
        octets = "" if counted.octets is None else f" ({counted.octets} octets)"
        count = f"{counted.total} message{plural(counted.total)}"
        self._lines.raw(f"{count}{seen} for {where}{octets}.")

    def _beginning(self, reading: Reading) -> str:
        header, size = reading.header, reading.size
        # With POP3 fetchmail knows only the size of the whole message.
        parts = f"({header} header octets) ({size} body octets)"
        octets = parts if self._in_parts else f"({header + size} octets)"
        return f"reading message {self._whose}:{reading.number} of {reading.total} {octets}"

    def _facts(self, handled: Handled) -> dict[str, object]:
        """Return the record of a message. Names are as in RFC 3501, sizes in octets."""
        outcome = handled.outcome
        return {
            "folder": self._mailbox,
            "uid": format_uid(handled.uid),
            "size": handled.size,
            "sink": self._sink,
            "outcome": outcome.verdict.value,
            "code": (ExitCode.SUCCESS if outcome.accepted else ExitCode.SMTP).name,
            "reason": outcome.reason,
            "recipients": [verdict.value for _, verdict in outcome.recipients],
            "deleted": handled.flushed,
        }

    def _returned(self, uid: Uid, flushed: bool) -> dict[str, object]:
        """Return the record of a refused message that was returned. It names no recipient."""
        return {
            "folder": self._mailbox,
            "uid": format_uid(uid),
            "sink": self._sink,
            "outcome": "returned",
            "code": ExitCode.SMTP.name,
            "deleted": flushed,
        }

    def _error(self, outcome: Outcome, fate: Fate) -> str:
        from .advice import what_follows  # few messages are refused

        return f"{self._sink} error: {outcome.reason}; {what_follows(outcome, fate, self._account)}"


def status_line(code: ExitCode) -> str:
    """Return fetchmail's closing line for a poll that did not simply succeed."""
    name = "" if code is ExitCode.SERVBUSY else f" ({code.name})"
    return f"Query status={int(code)}{name}"
