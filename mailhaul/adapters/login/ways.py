"""The way to a host: through a proxy, from an address of this host, or directly.

``proxy`` and ``bindaddress`` are for the server, ``proxyout`` and ``bindaddressout`` for the
listener of the mail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import Tcp
from ..config.settings import AccountSettings

if TYPE_CHECKING:
    from ...protocols.proxy.address import Proxy


def tcp_to_server(settings: AccountSettings, host: str, port: int | str) -> Tcp:
    """Return the address of a server of this account. Raises PollFailed (SYNTAX)."""
    if settings.proxy is None:
        return Tcp(host, port, None, settings.bindaddress)
    return Tcp(host, port, proxy_of(settings, "proxy"), settings.bindaddress)


def tcp_to_listener(settings: AccountSettings, host: str, port: int | str) -> Tcp:
    """Return the address of a listener of this account. Raises PollFailed (SYNTAX)."""
    if settings.proxyout is None:
        return Tcp(host, port, None, settings.bindaddressout)
    return Tcp(host, port, proxy_of(settings, "proxyout"), settings.bindaddressout)


def proxy_of(settings: AccountSettings, option: str) -> Proxy:
    """Return the proxy that this option names, with its password. Raises PollFailed (SYNTAX)."""
    from ...protocols.proxy.address import BadProxy, parse_proxy
    from ...protocols.record import replace

    try:
        proxy = parse_proxy(getattr(settings, option))
    except BadProxy as fault:
        raise PollFailed(ExitCode.SYNTAX, f"{settings.place(option)}: {option}: {fault}") from None
    secret = getattr(settings, f"{option}password")
    return proxy if secret is None else replace(proxy, password=secret)
