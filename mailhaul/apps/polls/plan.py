"""From an account's settings to a poll: which source, which sink, which rules."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ... import __version__
from ...adapters.config.caller import Caller
from ...adapters.config.options import SSL_MODES, SSLPROTO
from ...adapters.config.settings import SMTP_PORT, AccountSettings, GlobalSettings
from ...adapters.config.values import service
from ...adapters.files import AUTHORITIES, ID_FILE, read_file, refuse_special_files
from ...adapters.ledger.lock import MailboxLock
from ...adapters.ledger.names import (
    account_name,
    is_loopback,
    mailbox_name,
    same_user,
    sink_name,
)
from ...adapters.ledger.store import SqliteLedger
from ...adapters.login.access import Access, TlsMode
from ...flows.account import Account, OnRetrieveError
from ...flows.fate import Policy
from ...flows.host_names import BadHostName, ascii_host
from ...flows.outcome import ExitCode, PollFailed
from ...flows.poll import Poll
from ...flows.report import Report
from ...flows.requests import Address, Pipe, Tcp, Trust, UnixSocket
from ...flows.sink import Sink
from ...flows.source import Listed
from ...protocols.machine import Trace

if TYPE_CHECKING:
    from ...adapters.etrn import EtrnPoll
    from ...adapters.sources.imap import ImapSource
    from ...adapters.sources.pop3 import Pop3Source
    from ...adapters.transcript.recorder import Tape
    from ...flows.multidrop import Multidrop
    from ...flows.parcel import DeliveryRules, Packer
    from ...flows.reminders import Reminders
    from ...protocols.message.bounce import BounceContext
    from ...protocols.message.trace import Received
    from ...protocols.sasl.credentials import Credentials
    from ...runtimes.engine import Witness

    MailSource = ImapSource | Pop3Source

TracerFor = Callable[[str], Trace | None]
"""Gives the trace of a protocol ("IMAP", "SMTP", "LMTP"), if the dialogue is to be shown."""

VERSIONS = {
    # Without a version of their own: the oldest that is allowed otherwise, and the newest.
    **dict.fromkeys(("", "auto", "ssl23", "ssl3+"), (None, None)),
    "tls1": ("tls1", "tls1"),
    "tls1+": ("tls1", None),
    "tls1.1": ("tls1.1", "tls1.1"),
    "tls1.1+": ("tls1.1", None),
    "tls1.2": ("tls1.2", "tls1.2"),
    "tls1.2+": ("tls1.2", None),
    "tls1.3": ("tls1.3", "tls1.3"),
    "tls1.3+": ("tls1.3", None),
}
"""What ``sslproto`` means: the oldest and the newest version of TLS. SSL 3 alone means nothing."""

TLS_MODES: dict[str, TlsMode] = dict(
    zip(
        SSL_MODES,
        (TlsMode.NEVER, TlsMode.WRAPPED, TlsMode.OFFERED, TlsMode.REQUIRED),
        strict=True,
    )
)


def tls_mode(settings: AccountSettings) -> TlsMode:
    """Return how ``ssl``, ``sslproto``, ``sslcertck`` and ``sslfingerprint`` add up.

    ``sslmode`` says it in one word, and wins.
    """
    if settings.sslmode is not None:
        return TLS_MODES[settings.sslmode]
    if settings.ssl:
        return TlsMode.WRAPPED
    if settings.sslproto == "":
        return TlsMode.NEVER
    if settings.sslproto is None and not (settings.sslcertck or settings.sslfingerprint):
        return TlsMode.OFFERED
    return TlsMode.REQUIRED


def trust_of(settings: AccountSettings) -> Trust:
    """Return whom to believe over TLS. Raises PollFailed (SOCKET) for a version nobody speaks."""
    word = SSLPROTO.choice(settings.sslproto or "") or SSLPROTO.fallback
    if word not in VERSIONS:
        raise PollFailed(
            ExitCode.SOCKET,
            f'{settings.place("sslproto")}: no TLS library speaks sslproto "{word}" any more; '
            f'use "{word}+" or "{SSLPROTO.fallback}"',
        )
    files = (settings.sslcertfile, settings.sslcert, settings.sslkey)
    refuse_odd_certificates(*files)
    minimum, maximum = VERSIONS[word]
    return Trust(
        hostname=settings.sslcommonname or settings.host,
        verify=settings.sslcertck,
        ca_file=settings.sslcertfile,
        ca_path=settings.sslcertpath,
        certificate=settings.sslcert,
        key=settings.sslkey,
        minimum=minimum,
        maximum=maximum,
        fingerprint=settings.sslfingerprint,
    )


def refuse_odd_certificates(*paths: str | None) -> None:
    """Raise PollFailed (SOCKET) for a device or the like, which the TLS library would read."""
    try:
        refuse_special_files([*paths, os.environ.get("SSL_CERT_FILE")], AUTHORITIES)
    except OSError as error:
        problem = f"cannot load {error.filename}: {error.strerror}"
        raise PollFailed(ExitCode.SOCKET, problem) from None


def command_words(command: str, host: str, port: str, option: str) -> tuple[str, ...]:
    """Split a plugin string as fetchmail does: at white space, without a shell.

    Raises PollFailed (SOCKET) for an empty one.
    """
    words = command.replace("%h", host).replace("%p", port).split()
    if not words:
        raise PollFailed(
            ExitCode.SOCKET, f"{option} for host {host} service {port} is empty, cannot run!"
        )
    return tuple(words)


def access_of(settings: AccountSettings, trace: Trace | None) -> Access:
    """Return how to reach an account."""
    address: Address = Tcp(settings.host, settings.port)
    if settings.plugin is not None:
        service = settings.service or f"{kind_of(settings)}{'s' if settings.wrapped else ''}"
        words = command_words(settings.plugin, settings.host, str(service), "plugin")
        address = Pipe(words)
    return Access(
        peer=settings.host,
        address=address,
        user=settings.remote_user,
        password=settings.password,
        tls=tls_mode(settings),
        trust=trust_of(settings),
        preauth=settings.auth == "ssh",
        tls_asked=settings.ssl or bool(settings.sslproto) or tls_in_one_word(settings),
        timeout=float(settings.timeout),
        trace=trace,
        auth=settings.auth,
    )


def kind_of(settings: AccountSettings) -> str:
    """Return which protocol is spoken: ``pop3``, ``imap`` or ``smtp``."""
    if settings.protocol == "etrn":
        return "smtp"
    return "imap" if settings.protocol in {"imap", "auto"} else "pop3"


def tls_in_one_word(settings: AccountSettings) -> bool:
    """Whether ``sslmode`` demands TLS by name."""
    return settings.sslmode in {"wrapped", "starttls=must"}


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


KEEP_ALL = Policy()


def policy_of(settings: AccountSettings, globals: GlobalSettings) -> Policy:
    """Return what becomes of mail that the sink refuses for good."""
    antispam = frozenset(code for code in settings.antispam if code > 0)
    return Policy(globals.softbounce, globals.bouncemail, globals.spambounce, antispam)


def account_of(settings: AccountSettings, check: bool, policy: Policy = KEEP_ALL) -> Account:
    """Return what the poll needs to know."""
    return Account(
        name=name_of(settings),
        same_user=same_user(kind_of(settings), settings.remote_user),
        user=settings.remote_user,
        pollname=settings.pollname,
        truename=settings.host,
        mailboxes=settings.folders or ("INBOX",),
        elsewhere=settings.elsewhere,
        keep=settings.keep,
        fetchall=settings.fetchall,
        flush=settings.flush,
        limit=settings.limit,
        limitflush=settings.limitflush,
        warnings=settings.warnings,
        fetchlimit=settings.fetchlimit,
        expunge=settings.expunge,
        check_only=check,
        retrieve_error=OnRetrieveError(settings.retrieve_error),
        policy=policy,
        by_ledger=settings.fetchread and kind_of(settings) == "imap",
    )


def name_of(settings: AccountSettings) -> str:
    """Return the name of an account in the ledger: what it is, however it is written down."""
    place = ""
    port = "" if settings.service is None else str(settings.service)
    if settings.plugin is not None or is_loopback(settings.host):
        # A tunnel or a command may lead to any server; only the user's name for it tells which.
        place = settings.known_as
    if settings.plugin is not None and "%h" not in settings.plugin:
        place = f"{place}: {' '.join(settings.plugin.split())}"
    try:
        host = "localhost" if is_loopback(settings.host) else ascii_host(settings.host)
    except BadHostName:
        # Its own fault is told where it is looked up.
        host = settings.host
    return account_name(kind_of(settings), settings.remote_user, host, port, place)


def plan(
    settings: AccountSettings,
    context: PollContext,
    report: Report,
    source: MailSource | None = None,
) -> Poll | EtrnPoll:
    """Return the poll of one account, ready to run. Raises PollFailed for unusable settings.

    A ``source`` that is open already may be used again.
    """
    if settings.protocol == "etrn":
        from ...adapters.etrn import EtrnPoll

        access = access_of(settings, context.tracer("ETRN"))
        domains = settings.fetchdomains or (context.hostname,)
        return EtrnPoll(access, domains, context.hostname, report)
    source = source or source_of(settings, context, report)
    name, sink = sink_of(settings, context)
    account = account_of(settings, context.check, policy_of(settings, context.globals))
    multidrop = multidrop_of(settings, context)
    if kind_of(settings) == "pop3":
        take_over(settings, context, account, name)
    return Poll(
        account,
        source,
        sink_name(name),
        sink,
        context.ledger,
        lambda sink: make_packer(settings, context, source, sink, multidrop),
        report,
        context.stopping,
        context.reminders,
        lambda mailbox: MailboxLock(
            context.locks, account.name, mailbox_name(account.name, mailbox)
        ),
    )


def sink_of(settings: AccountSettings, context: PollContext) -> tuple[str, Callable[[], Sink]]:
    """Return the name of the sink of an account, and what makes it."""
    if settings.maildir is not None:
        return maildir_sink(settings.maildir, context)
    if settings.append is not None:
        from .append import append_sink

        return append_sink(settings, settings.append, context)
    if settings.mbox is not None:
        return mbox_sink(settings.mbox, context)
    if settings.bsmtp is not None:
        return bsmtp_sink(settings.bsmtp)
    if settings.mda is not None:
        return mda_sink(settings, settings.mda, context)
    return smtp_sink(settings, context)


def take_over(settings: AccountSettings, context: PollContext, account: Account, sink: str) -> None:
    """Let the ledger know, once, what fetchmail has read before (``.fetchids``).

    Raises PollFailed (IOERR) for a file that is there and cannot be read.
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


def source_of(settings: AccountSettings, context: PollContext, report: Report) -> MailSource:
    """Return the mailbox to collect from."""
    access = access_of(settings, context.tracer(kind_of(settings).upper()))
    if kind_of(settings) == "imap":
        from ...adapters.sources.imap import ImapSource

        with_marks = settings.append is not None
        return ImapSource(access, report, with_marks=with_marks, keeps=settings.keep)
    from ...adapters.sources.pop3 import Pop3Source

    return Pop3Source(
        access,
        report,
        apop=settings.protocol == "apop",
        # TOP does not mark a message as read where RETR does, as long as it may have to stay.
        retrieve=settings.fetchall or "FETCHMAIL_POP3_FORCE_RETR" in os.environ,
        remember=settings.keep and not settings.fetchall,
        sdps=settings.protocol == "sdps",
        login_delay=context.login_delay,
    )


def maildir_sink(folder: str, context: PollContext) -> tuple[str, Callable[[], Sink]]:
    """Return the name of a Maildir as a sink, and what makes it."""

    def make() -> Sink:
        from ...adapters.sinks.maildir import MaildirSink

        return MaildirSink(folder, context.hostname)

    return f"maildir {folder}", make


def mbox_sink(path: str, context: PollContext) -> tuple[str, Callable[[], Sink]]:
    """Return the name of a mailbox file as a sink, and what makes it."""

    def make() -> Sink:
        from ...adapters.sinks.mbox import MboxSink

        return MboxSink(path, context.hostname, spool_folder())

    return f"mbox {path}", make


def bsmtp_sink(path: str) -> tuple[str, Callable[[], Sink]]:
    """Return the name of a file of batched SMTP as a sink, and what makes it."""

    def make() -> Sink:
        from ...adapters.sinks.bsmtp import BsmtpSink

        return BsmtpSink(path, spool_folder())

    return f"bsmtp {path}", make


def spool_folder() -> str:
    """Return where messages wait that are too large for memory."""
    return os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - files there have no name


def mda_sink(
    settings: AccountSettings, command: str, context: PollContext
) -> tuple[str, Callable[[], Sink]]:
    """Return the name of an MDA command as a sink, and what makes it."""

    def make() -> Sink:
        from ...adapters.sinks.mda import MdaSink

        timeout, split = float(settings.timeout), settings.mdasplit
        names = trusted_names(settings, context)
        return MdaSink(command, timeout, spool_folder(), split=split, trusted=names)

    return f"mda {command}", make


def trusted_names(settings: AccountSettings, context: PollContext) -> frozenset[str]:
    """Return the recipients that the user wrote down himself, not whoever wrote the mail."""
    local = (name for pair in settings.local_names for name in pair)
    names = {*local, settings.smtpname, context.globals.postmaster}
    return frozenset(name for name in names if name)


def smtp_sink(settings: AccountSettings, context: PollContext) -> tuple[str, Callable[[], Sink]]:
    """Return the name of the hunt list as a sink, and what makes it."""
    hosts = settings.smtphosts or ("localhost",)

    def make() -> Sink:
        from ...adapters.sinks.smtp import Listener, SmtpSink

        listeners = [
            Listener(host, *listener_address(settings, host), domain_of(host)) for host in hosts
        ]
        lmtp = listeners[0].lmtp
        helo = name_in_mail(settings.host) if context.globals.invisible else context.hostname
        trace = context.tracer("LMTP" if lmtp else "SMTP")
        timeout, limit = float(settings.timeout), settings.batchlimit
        return SmtpSink(listeners, helo, timeout, trace, login_of(settings), limit)

    # Without its plugout a host is another place.
    through = f" through {settings.plugout}" if settings.plugout else ""
    return f"{'lmtp' if settings.lmtp else 'smtp'} {' '.join(hosts)}{through}", make


def login_of(settings: AccountSettings) -> Credentials | None:
    """Return what to log in with at the listener, if the user gave a password for it."""
    if settings.esmtppassword is None:
        return None
    from ...protocols.sasl.credentials import Credentials

    name = settings.esmtpname.encode("utf-8", "surrogateescape")
    return Credentials(name, settings.esmtppassword)


def listener_address(settings: AccountSettings, host: str) -> tuple[Address, bool]:
    """Return the address of one entry of the hunt list, and whether LMTP is spoken there."""
    if host.startswith("/"):
        return UnixSocket(host), True
    name, _, port = host.partition("/")
    if settings.plugout is not None:
        words = command_words(settings.plugout, name, port or "smtp", "plugout")
        return Pipe(words), settings.lmtp
    return Tcp(name, service(port) or SMTP_PORT), settings.lmtp


def both_forms(hosts: Sequence[str]) -> Sequence[str]:
    """Return names as they are typed and in ASCII: an address in a header may have either."""
    return list(dict.fromkeys([*hosts, *map(ascii_host, hosts)]))


def name_in_mail(host: str) -> str:
    """Return a server's name for a header: ASCII, unless it is a word that only a plugin knows."""
    try:
        return ascii_host(host)
    except BadHostName:
        return host


def domain_of(host: str) -> str:
    """Return the domain that local names are given at this entry of the hunt list."""
    return "localhost" if host.startswith("/") else ascii_host(host.partition("/")[0])


def make_packer(
    settings: AccountSettings,
    context: PollContext,
    source: MailSource,
    sink: Sink,
    multidrop: Multidrop | None,
) -> Packer:
    """Return what makes a parcel of the next message."""
    from ...flows.parcel import DeliveryRules
    from ...protocols.message.outgoing import HeaderRules

    # From one mailbox to another nothing is added: the same message is to be there.
    moved = settings.append is not None
    rules = HeaderRules(
        truename=name_in_mail(settings.host),
        user=settings.remote_user,
        trace=None if moved or context.globals.invisible else trace_of(settings, context, source),
        rewrite=settings.rewrite and not moved,
        drop_status=settings.dropstatus,
        drop_delivered=settings.dropdelivered,
        keep_return_path=sink.keeps_return_path,
        multidrop=multidrop is not None,
    )
    return packer_kind(context)(
        DeliveryRules(
            recipient=settings.local_names[0][0] if settings.local_names else "",
            domain=sink.domain,
            rules=rules,
            smtp_name=settings.smtpname,
            smtp_address=settings.smtpaddress and ascii_host(settings.smtpaddress),
            strip_cr=settings.stripcr,
            force_cr=settings.forcecr,
            mime_decode=settings.mimedecode,
            sender=source.envelope_sender,
            server_recipient=source.envelope_recipient,
            multidrop=multidrop,
            postmaster=context.globals.postmaster,
            bounce_context=lambda: bounce_context(context.hostname),
            reject_bad_header=settings.chose("bad_header") and settings.bad_header == "reject",
        )
    )


def packer_kind(context: PollContext) -> Callable[[DeliveryRules], Packer]:
    """Return what makes a packer: one that shows progress, where the user wants to see it."""
    if context.dots is None:
        from ...flows.parcel import Packer

        return Packer
    from .dots import DottedPacker

    return partial(DottedPacker, show=context.dots)


def bounce_context(host: str) -> BounceContext:
    """Return what a bounce that is made now has of its own."""
    from ...protocols.message.bounce import BounceContext
    from ...protocols.message.trace import format_date

    moment = int(time.time())
    zone = time.localtime(moment)
    unique = os.urandom(12).hex().encode("ascii")
    name = b"%d.%b@%b" % (moment, unique, host.encode("ascii", "replace"))
    date = format_date(moment, zone.tm_gmtoff, zone.tm_zone)
    return BounceContext(host, date, name, b"mailhaul-" + unique)


def multidrop_of(settings: AccountSettings, context: PollContext) -> Multidrop | None:
    """Return how to find the recipients, where the mailbox is that of several people."""
    if not settings.multidrop:
        return None
    from ...flows.multidrop import Multidrop
    from ...protocols.message.recipients import LocalNames

    host = name_in_mail(settings.host)
    names = LocalNames(
        host,
        settings.local_names,
        wildcard=settings.wildcard,
        aka=both_forms(settings.aka),
        localdomains=both_forms(settings.localdomains),
        qvirtual=settings.qvirtual,
    )
    is_server = None
    if settings.dns:
        from ...adapters.aliases import alias_test

        is_server = alias_test(host, same_address=settings.checkalias)
    postmaster = context.globals.postmaster
    return Multidrop(names, settings.envelope, settings.envelope_skip, postmaster, is_server)


def trace_of(settings: AccountSettings, context: PollContext, source: MailSource) -> Received:
    """Return what the Received field of the next message says."""
    from ...protocols.message.trace import Received, format_date

    moment = int(time.time())
    zone = time.localtime(moment)
    details = ""
    if settings.tracepolls:
        details = f"polling {settings.pollname} account {settings.remote_user}"
        if settings.folders != ("INBOX",):
            details += f" folder {source.mailbox}"
    return Received(
        truename=name_in_mail(settings.host),
        address=source.channel.address if settings.dns else "",
        host=context.hostname,
        protocol=kind_of(settings).upper().encode("ascii"),
        version=__version__.encode("ascii"),
        date=format_date(moment, zone.tm_gmtoff, zone.tm_zone),
        details=details,
    )


def local_hostname() -> str:
    """Return this host's own name, without asking any name server."""
    return socket.gethostname() or "localhost"
