"""A place where the mail of an address may be: the candidates of the search."""

from __future__ import annotations

from ...protocols.record import Record

IMAP = "imap"
POP3 = "pop3"
PORTS = {(IMAP, True): 993, (IMAP, False): 143, (POP3, True): 995, (POP3, False): 110}
"""The port of a protocol with TLS from the first byte, and with STARTTLS."""


class Provider(Record):
    """What is known of a provider.

    ``imap`` and ``pop3`` are HOST or HOST:PORT, "" if the provider does not offer it. The login is
    the whole address, or with ``local_login`` the part before the @. ``note`` is what the user has
    to know or do first. ``issuer`` is the value of ``oauthissuer``; without ``passwords`` nothing
    else works. ``exchangers`` are the ends of the names of the hosts that receive mail for domains
    of customers.
    """

    name: str
    domains: tuple[str, ...]
    imap: str = ""
    pop3: str = ""
    note: str = ""
    issuer: str = ""
    passwords: bool = True
    local_login: bool = False
    exchangers: tuple[str, ...] = ()


class Place(Record):
    """A server that may have the mail of an address, and the login there.

    ``wrapped`` means TLS from the first byte, otherwise STARTTLS. ``found_by`` says from
    where the place is known. ``certain`` is false if somebody else may have given the answer: DNS
    without signatures (RFC 6186, section 6), so that a host outside the domain needs the user's
    consent. ``wants_token`` means that the server takes no passwords.
    """

    protocol: str
    host: str
    port: int
    wrapped: bool
    login: str
    found_by: str
    certain: bool = True
    provider: Provider | None = None
    wants_token: bool = False

    def __str__(self) -> str:
        kind = "TLS" if self.wrapped else "STARTTLS"
        return f"{self.host}, port {self.port} ({self.protocol.upper()}, {kind})"


def split_address(address: str) -> tuple[str, str]:
    """Return the part before the last @ and the domain. Raises ValueError if one is missing."""
    local, _, domain = address.rpartition("@")
    domain = domain.strip().rstrip(".").lower()
    if not local or not domain or any(c.isspace() or not c.isprintable() for c in address):
        raise ValueError("that is no mail address; it looks like joe@example.org")
    return local, domain


def place_of(
    protocol: str, target: str, login: str, found_by: str, provider: Provider | None = None
) -> Place:
    """Return the place for HOST or HOST:PORT. Raises ValueError for a port that is no number."""
    host, port = split_host(target)
    if port is None:
        port = PORTS[protocol, True]
    wrapped = port not in {PORTS[protocol, False], 1143, 1110}
    tokens_only = provider is not None and not provider.passwords
    return Place(
        protocol,
        host,
        port,
        wrapped,
        login,
        found_by,
        provider=provider,
        wants_token=tokens_only,
    )


def split_host(target: str) -> tuple[str, int | None]:
    """Return host and port of HOST, HOST:PORT or [ADDRESS]:PORT. Raises ValueError."""
    if target.startswith("["):
        host, bracket, rest = target[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f'"{target}" is neither HOST nor HOST:PORT')
        port = rest[1:]
    elif target.count(":") == 1:
        host, _, port = target.partition(":")
    else:
        host, port = target, ""
    if not host or any(c.isspace() or not c.isprintable() for c in host):
        raise ValueError(f'"{target}" is neither HOST nor HOST:PORT')
    if not port:
        return host, None
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f'"{port}" is not a port number')
    return host, int(port)
