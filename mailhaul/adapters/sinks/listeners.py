"""The addresses of the listeners that ``smtphost`` names."""

from __future__ import annotations

from ...flows.host_names import ascii_host
from ...flows.requests import Address, Pipe, UnixSocket
from ..config.settings import SMTP_PORT, AccountSettings
from ..config.values import service
from ..login.reach import command_words, tcp_to_listener


def listener_address(settings: AccountSettings, host: str) -> tuple[Address, bool]:
    """Return the address of one entry of ``smtphost``, and whether it is used with LMTP.

    Raises PollFailed: SOCKET for an empty ``plugout``, SYNTAX for a ``proxyout`` without meaning.
    """
    if host.startswith("/"):
        return UnixSocket(host), True
    name, _, port = host.partition("/")
    if settings.plugout is not None:
        words = command_words(settings.plugout, name, port or "smtp", "plugout")
        return Pipe(words), settings.lmtp
    return tcp_to_listener(settings, name, service(port) or SMTP_PORT), settings.lmtp


def domain_of(host: str) -> str:
    """Return the domain that is added to local names for this entry of ``smtphost``."""
    return "localhost" if host.startswith("/") else ascii_host(host.partition("/")[0])
