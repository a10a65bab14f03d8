"""From ``append``, its password and the options for TLS to the mailbox that mail is stored in."""

from __future__ import annotations

from collections.abc import Callable

from ...adapters.config.imap_url import MailboxUrl, read_url
from ...adapters.config.settings import AccountSettings
from ...adapters.login.access import Access, TlsMode
from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import Address, Pipe, Tcp, Trust
from ...flows.sink import Sink
from .plan import PollContext, command_words, refuse_odd_certificates, spool_folder


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
