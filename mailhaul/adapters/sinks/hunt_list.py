"""Make the sink for the listeners of ``smtphost``: addresses, SMTP or LMTP, and the login."""

from __future__ import annotations

from ...flows.host_names import ascii_host, name_in_mail
from ...flows.requests import Address, Pipe, Tcp, UnixSocket
from ...flows.sink import Sink
from ...protocols.sasl.credentials import Credentials
from ..config.settings import SMTP_PORT, AccountSettings
from ..config.values import service
from ..login.reach import command_words
from .kinds import SinkOrder
from .smtp import SmtpSink
from .smtp_connection import Listener


def make(order: SinkOrder) -> Sink:
    """Return the sink for the listeners of an account, which are tried in order.

    Raises PollFailed (SOCKET) for an empty ``plugout``.
    """
    settings = order.settings
    listeners = [
        Listener(host, *listener_address(settings, host), domain_of(host))
        for host in order.value.split()
    ]
    tap = order.tap_for("LMTP" if listeners[0].lmtp else "SMTP")
    return SmtpSink(
        listeners,
        name_in_mail(settings.host) if order.invisible else order.hostname,
        float(settings.timeout),
        tap,
        credentials_of(settings),
        settings.batchlimit,
    )


def credentials_of(settings: AccountSettings) -> Credentials | None:
    """Return the credentials for the listener, or None if the user set no ``esmtppassword``."""
    if settings.esmtppassword is None:
        return None
    name = settings.esmtpname.encode("utf-8", "surrogateescape")
    return Credentials(name, settings.esmtppassword)


def listener_address(settings: AccountSettings, host: str) -> tuple[Address, bool]:
    """Return the address of one entry of ``smtphost``, and whether it is used with LMTP.

    Raises PollFailed (SOCKET) for an empty ``plugout``.
    """
    if host.startswith("/"):
        return UnixSocket(host), True
    name, _, port = host.partition("/")
    if settings.plugout is not None:
        words = command_words(settings.plugout, name, port or "smtp", "plugout")
        return Pipe(words), settings.lmtp
    return Tcp(name, service(port) or SMTP_PORT), settings.lmtp


def domain_of(host: str) -> str:
    """Return the domain that is added to local names for this entry of ``smtphost``."""
    return "localhost" if host.startswith("/") else ascii_host(host.partition("/")[0])
