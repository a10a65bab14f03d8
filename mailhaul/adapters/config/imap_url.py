"""The URL of a mailbox on an IMAP server (RFC 5092): ``imaps://joe@mail.example.org/Old%20mail``.

``imaps`` means TLS from the first byte; it is common, but not defined in that RFC. The parts of a
URL that name single messages, searches or login methods have no meaning here and are refused.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

PORTS: Final = {"imap": 143, "imaps": 993}
LOOPBACK: Final = frozenset({"localhost", "::1"})
HOST_AND_PORT: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^][:@]+))(?::([0-9]{0,5}))?")
"""An IPv6 address in brackets or a name, and an optional port."""
INBOX: Final = "INBOX"


class BadUrl(ValueError):
    """An invalid URL. ``str()`` is the message for the user and never contains a password."""


class MailboxUrl:
    """A mailbox and its user. ``mailbox`` is its decoded name, not the one on the wire."""

    __slots__ = ("host", "mailbox", "port", "scheme", "user")

    def __init__(self, scheme: str, user: str, host: str, port: int | None, mailbox: str) -> None:
        self.scheme = scheme
        self.user = user
        self.host = host
        self.port = PORTS[scheme] if port is None else port
        self.mailbox = mailbox

    @property
    def wrapped(self) -> bool:
        """Whether TLS begins with the first byte."""
        return self.scheme == "imaps"

    @property
    def loopback(self) -> bool:
        """Whether the host is this host, so that nobody else can read the connection."""
        return self.host.lower() in LOOPBACK or self.host.startswith("127.")


def read_url(text: str) -> MailboxUrl:
    """Parse a URL. Raises BadUrl."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in PORTS:
        raise BadUrl("it does not begin with imaps:// or imap://")
    server, _, path = rest.partition("/")
    login, at, place = server.rpartition("@")
    # A password is checked for first, so that no other message can contain it.
    if ":" in login:
        raise BadUrl('it must not contain a password; use "appendpassword"')
    if ";" in login:
        raise BadUrl("it cannot choose a login method (;AUTH=)")
    if not at or not login:
        raise BadUrl("it names no user")
    host, port = read_host_and_port(place)
    for mark, what in ((";", "a single message or a UIDVALIDITY"), ("?", "a search")):
        if mark in path:
            raise BadUrl(f"it names {what}, not just a mailbox (%{ord(mark):02X} is a {mark})")
    mailbox = decoded(path.removesuffix("/")) or INBOX
    return MailboxUrl(scheme.lower(), decoded(login), host, port, mailbox)


def read_host_and_port(place: str) -> tuple[str, int | None]:
    """Return host and port; an IPv6 address must be in brackets (RFC 3986, 3.2.2)."""
    found = HOST_AND_PORT.fullmatch(place)
    if found is None:
        raise BadUrl("it names no host, or no port number after a colon")
    address, host, port = found.groups()
    if port and not 0 < int(port) < 65536:
        raise BadUrl(f"{port} is not a port number")
    return decoded(address or host), int(port) if port else None


def decoded(text: str) -> str:
    """Return a part of the URL, percent-decoded. Raises BadUrl if it is not text."""
    try:
        plain = unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeDecodeError:
        raise BadUrl("it is not UTF-8") from None
    if not plain.isprintable():
        raise BadUrl("it contains a control character")
    return plain
