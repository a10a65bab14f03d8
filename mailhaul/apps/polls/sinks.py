"""Where the mail of an account goes: its sink."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...adapters.config.imap_url import MailboxUrl, read_url
from ...adapters.config.settings import SMTP_PORT, AccountSettings
from ...adapters.config.values import service
from ...adapters.login.access import Access, TlsMode
from ...flows.host_names import ascii_host
from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import Address, Pipe, Tcp, Trust, UnixSocket
from ...flows.sink import Sink
from .access import command_words, refuse_odd_certificates
from .context import PollContext
from .packer import name_in_mail

if TYPE_CHECKING:
    from ...protocols.sasl.credentials import Credentials


def sink_of(settings: AccountSettings, context: PollContext) -> tuple[str, Callable[[], Sink]]:
    """Return the name of the sink of an account, and what makes it."""
    if settings.maildir is not None:
        return maildir_sink(settings.maildir, context)
    if settings.append is not None:
        return append_sink(settings, settings.append, context)
    if settings.mbox is not None:
        return mbox_sink(settings.mbox, context)
    if settings.bsmtp is not None:
        return bsmtp_sink(settings.bsmtp)
    if settings.mda is not None:
        return mda_sink(settings, settings.mda, context)
    return smtp_sink(settings, context)


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


def domain_of(host: str) -> str:
    """Return the domain that local names are given at this entry of the hunt list."""
    return "localhost" if host.startswith("/") else ascii_host(host.partition("/")[0])


def append_sink(
    settings: AccountSettings, text: str, context: PollContext
) -> tuple[str, Callable[[], Sink]]:
    """Return the name of a mailbox as a sink, and what makes it. Raises PollFailed (AUTHFAIL)."""
    url = read_url(text)
    if settings.appendpassword is None and settings.plugout is None:
        raise PollFailed(
            ExitCode.AUTHFAIL,
            f"{settings.place('append')}: can't find a password for {url.user}@{url.host}. Give "
            'one with "appendpassword" or in ~/.netrc',
        )

    def make() -> Sink:
        from ...adapters.sinks.imap_append import ImapAppendSink
        from ...protocols.imap.mailbox_names import encode_name

        access = access_to(url, settings, context)
        return ImapAppendSink(access, encode_name(url.mailbox), spool_folder())

    through = f" through {settings.plugout}" if settings.plugout else ""
    return f"append {text}{through}", make


def access_to(url: MailboxUrl, settings: AccountSettings, context: PollContext) -> Access:
    """Return how to reach the mailbox. What TLS versions the source speaks is of no matter here."""
    refuse_odd_certificates(settings.sslcertfile)
    address: Address = Tcp(url.host, url.port)
    if settings.plugout is not None:
        address = Pipe(command_words(settings.plugout, url.host, str(url.port), "plugout"))
    return Access(
        peer=url.host,
        address=address,
        user=url.user,
        password=settings.appendpassword,
        tls=tls_mode_of(url, piped=settings.plugout is not None),
        trust=Trust(
            hostname=url.host,
            verify=settings.sslcertck,
            ca_file=settings.sslcertfile,
            ca_path=settings.sslcertpath,
        ),
        timeout=float(settings.timeout),
        trace=context.tracer("APPEND"),
        hint='write "imaps://", or use "plugout"',
    )


def tls_mode_of(url: MailboxUrl, *, piped: bool) -> TlsMode:
    """Return what a URL asks for: ``imap`` means STARTTLS unless nobody can read along.

    Who gives a command for the connection answers for it; TLS is used where it is offered.
    """
    if url.wrapped:
        return TlsMode.WRAPPED
    if piped:
        return TlsMode.OFFERED
    return TlsMode.NEVER if url.loopback else TlsMode.REQUIRED
