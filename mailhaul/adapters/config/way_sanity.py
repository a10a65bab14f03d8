"""Check the options about the way to a host: proxies and addresses of this host."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

from ...protocols.proxy.address import BadProxy, parse_proxy
from .errors import ConfigError, quoted
from .settings import AccountSettings

URL_HINT = 'write "socks5://USER@HOST:PORT" or "http://USER@HOST:PORT"'


def way_faults(account: AccountSettings) -> Iterator[ConfigError]:
    """Yield errors in the proxies and the addresses of an account. No text has a password."""
    for suffix, command in (("", "plugin"), ("out", "plugout")):
        proxy, address = f"proxy{suffix}", f"bindaddress{suffix}"
        url, source = getattr(account, proxy), getattr(account, address)
        if url is not None:
            yield from _proxy_faults(account, proxy, url)
        if source is not None and not is_address(source):
            problem = f"{address}: {quoted(source)} is not an IP address"
            hint = "give an address of this host, as shown by its list of interfaces"
            yield ConfigError(account.place(address), problem, hint=hint)
        for name, value in ((proxy, url), (address, source)):
            if value is not None and getattr(account, command) is not None:
                problem = f"{quoted(name)} together with {quoted(command)}"
                hint = "the command makes the connection; tell it the way"
                yield ConfigError(account.place(name), problem, hint=hint)


def _proxy_faults(account: AccountSettings, option: str, url: str) -> Iterator[ConfigError]:
    try:
        proxy = parse_proxy(url)
    except BadProxy as fault:
        yield ConfigError(account.place(option), f"{option}: {fault}", hint=URL_HINT)
        return
    if proxy.password is not None:
        problem = f"{option}: a URL is shown in logs, so it must not have a password"
        hint = f'write it with "{option}password", "{option}passwordfile" or another of these ways'
        yield ConfigError(account.place(option), problem, hint=hint)


def is_address(text: str) -> bool:
    """Whether a text is an IP address; an IPv6 address may have a zone."""
    for family, literal in (
        (socket.AF_INET, text),
        (socket.AF_INET6, text.partition("%")[0]),
    ):
        with suppress(OSError, ValueError):
            socket.inet_pton(family, literal)
            return True
    return False
