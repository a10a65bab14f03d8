"""From an account's settings to a poll: which source, which sink, which rules."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ... import __version__
from ...adapters.config.caller import Caller
from ...adapters.config.settings import AccountSettings, GlobalSettings
from ...adapters.ledger.store import SqliteLedger
from ...adapters.sources.access import Access, TlsMode
from ...flows.account import Account, OnRetrieveError
from ...flows.fate import Policy
from ...flows.outcome import ExitCode, PollFailed
from ...flows.poll import Poll
from ...flows.report import Report
from ...flows.requests import Address, Pipe, Tcp, Trust, UnixSocket
from ...flows.sink import Sink
from ...protocols.machine import Trace

if TYPE_CHECKING:
    from ...adapters.etrn import EtrnPoll
    from ...adapters.sources.imap import ImapSource
    from ...adapters.sources.pop3 import Pop3Source
    from ...adapters.transcript.recorder import Tape
    from ...flows.multidrop import Multidrop
    from ...flows.parcel import Packer
    from ...flows.reminders import Reminders
    from ...protocols.message.bounce import Occasion
    from ...protocols.message.trace import Received
    from ...protocols.sasl.credentials import Credentials
    from ...runtimes.engine import Witness

    MailSource = ImapSource | Pop3Source

TracerFor = Callable[[str], Trace | None]
"""Gives the trace of a protocol ("IMAP", "SMTP", "LMTP"), if the dialogue is to be shown."""

VERSIONS = {
    "auto": (None, None),
    "ssl23": (None, None),
    "tls1": ("tls1", "tls1"),
    "tls1+": ("tls1", None),
    "tls1.1": ("tls1.1", "tls1.1"),
    "tls1.1+": ("tls1.1", None),
    "tls1.2": ("tls1.2", "tls1.2"),
    "tls1.2+": ("tls1.2", None),
    "tls1.3": ("tls1.3", "tls1.3"),
    "tls1.3+": ("tls1.3", None),
}
"""What ``sslproto`` means: the oldest and the newest version of TLS."""


SSL_MODES = {
    "none": TlsMode.NEVER,
    "wrapped": TlsMode.WRAPPED,
    "starttls=may": TlsMode.OFFERED,
    "starttls=must": TlsMode.REQUIRED,
}


def tls_mode(settings: AccountSettings) -> TlsMode:
    """Return how ``ssl``, ``sslproto``, ``sslcertck`` and ``sslfingerprint`` add up.

    ``sslmode`` says it in one word, and wins.
    """
    if settings.sslmode is not None:
        return SSL_MODES[settings.sslmode]
    if settings.ssl:
        return TlsMode.WRAPPED
    if settings.sslproto == "":
        return TlsMode.NEVER
    if settings.sslproto is None and not (settings.sslcertck or settings.sslfingerprint):
        return TlsMode.OFFERED
    return TlsMode.REQUIRED


def trust_of(settings: AccountSettings) -> Trust:
    """Return whom to believe over TLS. Raises PollFailed (SYNTAX) for an unknown version."""
    word = (settings.sslproto or "auto").lower()
    if word not in VERSIONS:
        raise PollFailed(
            ExitCode.SYNTAX,
            f'{settings.place("sslproto")}: sslproto "{word}" is not supported; use one of '
            f"{', '.join(VERSIONS)}",
        )
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
        service = settings.service or f"{kind_of(settings)}{'s' if settings.ssl else ''}"
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
class Surroundings:
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
    tape: Tape | None = None
    """Where all is noted that is said, if the user wants a transcript."""

    @property
    def witness(self) -> Witness | None:
        """What is shown every connection."""
        return self.tape.watch if self.tape else None

    def with_stopping(self, stopping: Callable[[], bool]) -> Surroundings:
        """Return the same for a program that may come to an end."""
        return replace(self, stopping=stopping)

    def with_reminders(self, reminders: Reminders) -> Surroundings:
        """Return the same for a daemon."""
        return replace(self, reminders=reminders)


KEEP_ALL = Policy()


def policy_of(settings: AccountSettings, globals: GlobalSettings) -> Policy:
    """Return what becomes of mail that the sink refuses for good."""
    antispam = frozenset(code for code in settings.antispam if code > 0)
    return Policy(globals.softbounce, globals.bouncemail, globals.spambounce, antispam)


def account_of(settings: AccountSettings, check: bool, policy: Policy = KEEP_ALL) -> Account:
    """Return what the poll needs to know."""
    service = f":{settings.service}" if settings.service is not None else ""
    return Account(
        name=f"{kind_of(settings)} {settings.remote_user}@{settings.host}{service}",
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
    )


def plan(
    settings: AccountSettings,
    around: Surroundings,
    report: Report,
    source: MailSource | None = None,
) -> Poll | EtrnPoll:
    """Return the poll of one account, ready to run. Raises PollFailed for unusable settings.

    A ``source`` that is open already may be used again.
    """
    if settings.protocol == "etrn":
        from ...adapters.etrn import EtrnPoll

        access = access_of(settings, around.tracer("ETRN"))
        domains = settings.fetchdomains or (around.hostname,)
        return EtrnPoll(access, domains, around.hostname, report)
    source = source or source_of(settings, around, report)
    if settings.maildir is not None:
        name, sink = maildir_sink(settings.maildir, around)
    elif settings.append is not None:
        from .append import append_sink

        name, sink = append_sink(settings, settings.append, around)
    elif settings.mbox is not None:
        name, sink = mbox_sink(settings.mbox, around)
    elif settings.bsmtp is not None:
        name, sink = bsmtp_sink(settings.bsmtp)
    elif settings.mda is not None:
        name, sink = mda_sink(settings, settings.mda, around)
    else:
        name, sink = smtp_sink(settings, around)
    account = account_of(settings, around.check, policy_of(settings, around.globals))
    multidrop = multidrop_of(settings, around)
    if kind_of(settings) == "pop3":
        take_over(settings, around, account, name)
    return Poll(
        account,
        source,
        name,
        sink,
        around.ledger,
        lambda sink: make_packer(settings, around, source, sink, multidrop),
        report,
        around.stopping,
        around.reminders,
    )


def take_over(settings: AccountSettings, around: Surroundings, account: Account, sink: str) -> None:
    """Let the ledger know, once, what fetchmail has read before (``.fetchids``).

    Raises PollFailed (IOERR) for a file that is there and cannot be read.
    """
    if around.ledger.knows(account.name):
        return
    path = around.globals.idfile
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return
    except OSError as error:
        raise PollFailed(ExitCode.IOERR, f"idfile {path}: {error.strerror or error}") from None
    from ...adapters.ledger.fetchids import seen_uids

    if uids := seen_uids(data, settings.remote_user, settings.host):
        around.ledger.page(account.name, sink, "INBOX", 0).seen(uids)


def source_of(settings: AccountSettings, around: Surroundings, report: Report) -> MailSource:
    """Return the mailbox to collect from."""
    access = access_of(settings, around.tracer(kind_of(settings).upper()))
    if kind_of(settings) == "imap":
        from ...adapters.sources.imap import ImapSource

        return ImapSource(access, report, with_marks=settings.append is not None)
    from ...adapters.sources.pop3 import Pop3Source

    return Pop3Source(
        access,
        report,
        apop=settings.protocol == "apop",
        # TOP does not mark a message as read where RETR does, as long as it may have to stay.
        retrieve=settings.fetchall or "FETCHMAIL_POP3_FORCE_RETR" in os.environ,
        remember=settings.keep and not settings.fetchall,
        sdps=settings.protocol == "sdps",
        login_delay=around.login_delay,
    )


def maildir_sink(folder: str, around: Surroundings) -> tuple[str, Callable[[], Sink]]:
    """Return the name of a Maildir as a sink, and what makes it."""

    def make() -> Sink:
        from ...adapters.sinks.maildir import MaildirSink

        return MaildirSink(folder, around.hostname)

    return f"maildir {folder}", make


def mbox_sink(path: str, around: Surroundings) -> tuple[str, Callable[[], Sink]]:
    """Return the name of a mailbox file as a sink, and what makes it."""

    def make() -> Sink:
        from ...adapters.sinks.mbox import MboxSink

        return MboxSink(path, around.hostname, spool_folder())

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
    settings: AccountSettings, command: str, around: Surroundings
) -> tuple[str, Callable[[], Sink]]:
    """Return the name of an MDA command as a sink, and what makes it."""

    def make() -> Sink:
        from ...adapters.sinks.mda import MdaSink

        timeout, split = float(settings.timeout), settings.mdasplit
        names = trusted_names(settings, around)
        return MdaSink(command, timeout, spool_folder(), split=split, trusted=names)

    return f"mda {command}", make


def trusted_names(settings: AccountSettings, around: Surroundings) -> frozenset[str]:
    """Return the recipients that the user wrote down himself, not whoever wrote the mail."""
    local = (name for pair in settings.local_names for name in pair)
    names = {*local, settings.smtpname, around.globals.postmaster}
    return frozenset(name for name in names if name)


def smtp_sink(settings: AccountSettings, around: Surroundings) -> tuple[str, Callable[[], Sink]]:
    """Return the name of the hunt list as a sink, and what makes it."""
    hosts = settings.smtphosts or ("localhost",)

    def make() -> Sink:
        from ...adapters.sinks.smtp import Listener, SmtpSink

        listeners = [
            Listener(host, *listener_address(settings, host), domain_of(host)) for host in hosts
        ]
        lmtp = listeners[0].lmtp
        helo = settings.host if around.globals.invisible else around.hostname
        trace = around.tracer("LMTP" if lmtp else "SMTP")
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
    return Tcp(name, int(port) if port.isdigit() else port or 25), settings.lmtp


def domain_of(host: str) -> str:
    """Return the domain that local names are given at this entry of the hunt list."""
    return "localhost" if host.startswith("/") else host.partition("/")[0]


def make_packer(
    settings: AccountSettings,
    around: Surroundings,
    source: MailSource,
    sink: Sink,
    multidrop: Multidrop | None,
) -> Packer:
    """Return what makes a parcel of the next message."""
    from ...flows.parcel import Packer, Treatment
    from ...protocols.message.outgoing import HeaderRules

    # From one mailbox to another nothing is added: the same message is to be there.
    moved = settings.append is not None
    rules = HeaderRules(
        truename=settings.host,
        user=settings.remote_user,
        trace=None if moved or around.globals.invisible else trace_of(settings, around, source),
        rewrite=settings.rewrite and not moved,
        drop_status=settings.dropstatus,
        drop_delivered=settings.dropdelivered,
        keep_return_path=sink.keeps_return_path,
        multidrop=multidrop is not None,
    )
    return Packer(
        Treatment(
            recipient=settings.local_names[0][0] if settings.local_names else "",
            domain=sink.domain,
            rules=rules,
            smtp_name=settings.smtpname,
            smtp_address=settings.smtpaddress,
            strip_cr=settings.stripcr,
            force_cr=settings.forcecr,
            mime_decode=settings.mimedecode,
            sender=source.envelope_sender,
            told=source.envelope_recipient,
            multidrop=multidrop,
            postmaster=around.globals.postmaster,
            occasion=lambda: occasion(around.hostname),
            reject_bad_header=settings.chose("bad_header") and settings.bad_header == "reject",
        )
    )


def occasion(host: str) -> Occasion:
    """Return what a bounce that is made now has of its own."""
    from ...protocols.message.bounce import Occasion
    from ...protocols.message.trace import format_date

    moment = int(time.time())
    zone = time.localtime(moment)
    unique = os.urandom(12).hex().encode("ascii")
    name = b"%d.%b@%b" % (moment, unique, host.encode("ascii", "replace"))
    date = format_date(moment, zone.tm_gmtoff, zone.tm_zone)
    return Occasion(host, date, name, b"mailhaul-" + unique)


def multidrop_of(settings: AccountSettings, around: Surroundings) -> Multidrop | None:
    """Return how to find the recipients, where the mailbox is that of several people."""
    if not settings.multidrop:
        return None
    from ...flows.multidrop import Multidrop
    from ...protocols.message.recipients import LocalNames

    names = LocalNames(
        settings.host,
        settings.local_names,
        wildcard=settings.wildcard,
        aka=settings.aka,
        localdomains=settings.localdomains,
        qvirtual=settings.qvirtual,
    )
    is_server = None
    if settings.dns:
        from ...adapters.aliases import alias_test

        is_server = alias_test(settings.host, same_address=settings.checkalias)
    postmaster = around.globals.postmaster
    return Multidrop(names, settings.envelope, settings.envelope_skip, postmaster, is_server)


def trace_of(settings: AccountSettings, around: Surroundings, source: MailSource) -> Received:
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
        truename=settings.host,
        address=source.channel.address if settings.dns else "",
        host=around.hostname,
        protocol=kind_of(settings).upper().encode("ascii"),
        version=__version__.encode("ascii"),
        date=format_date(moment, zone.tm_gmtoff, zone.tm_zone),
        details=details,
    )


def local_hostname() -> str:
    """Return this host's own name, without asking any name server."""
    return socket.gethostname() or "localhost"
