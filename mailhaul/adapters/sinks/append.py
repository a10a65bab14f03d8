"""Make the sink for ``append`` from its URL, its password and the TLS options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...flows.requests import Address, Pipe, Trust
from ...flows.sink import Sink
from ...protocols.imap.mailbox_names import encode_name
from ..config.imap_url import MailboxUrl, read_url
from ..login.access import Access, TlsMode
from ..login.reach import command_words, refuse_odd_certificates, tcp_to_listener
from .imap_append import ImapAppendSink

if TYPE_CHECKING:
    from .kinds import SinkOrder


def make(order: SinkOrder) -> Sink:
    """Return the sink for the mailbox of ``append``. Raises PollFailed (SOCKET)."""
    url = read_url(order.value)
    sink = ImapAppendSink(access_to(url, order), encode_name(url.mailbox), order.spool_folder)
    sink.levels = order.levels
    return sink


def access_to(url: MailboxUrl, order: SinkOrder) -> Access:
    """Return how to reach the mailbox. ``sslproto`` is for the source and does not apply here."""
    settings = order.settings
    with_token = settings.appendauth == "oauth"
    refuse_odd_certificates(settings.sslcertfile)
    address: Address = tcp_to_listener(settings, url.host, url.port)
    if settings.plugout is not None:
        address = Pipe(command_words(settings.plugout, url.host, str(url.port), "plugout"))
    return Access(
        peer=url.host,
        address=address,
        user=url.user,
        password=None if with_token else settings.appendpassword,
        tokens=order.tokens_for("imap", url.user, url.host) if with_token else None,
        auth="oauth" if with_token else "any",
        read_password=lambda: order.read_secret("appendpassword", url.host),
        tls=tls_mode_of(
            url, piped=settings.plugout is not None, proxied=settings.proxyout is not None
        ),
        trust=Trust(
            hostname=url.host,
            verify=settings.sslcertck,
            ca_file=settings.sslcertfile,
            ca_path=settings.sslcertpath,
        ),
        timeout=float(settings.timeout),
        tap=order.tap_for("APPEND"),
        hint='write "imaps://", or use "plugout"',
    )


def tls_mode_of(url: MailboxUrl, *, piped: bool, proxied: bool = False) -> TlsMode:
    """Return the TLS mode for a URL: ``imap`` means STARTTLS unless the connection is local.

    With a ``plugout`` the user's own command connects: TLS is used if the server offers it. At a
    proxy, localhost is another host.
    """
    if url.wrapped:
        return TlsMode.WRAPPED
    if piped:
        return TlsMode.OFFERED
    return TlsMode.NEVER if url.loopback and not proxied else TlsMode.REQUIRED
