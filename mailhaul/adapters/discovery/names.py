"""What DNS says of a domain's mail: SRV records (RFC 6186, RFC 8314) and MX records.

The records are asked for with dnspython (``mailhaul[dns]``), which is loaded when it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, Protocol

from ...flows.host_names import BadHostName, ascii_host
from ...protocols.record import Record
from .places import IMAP, POP3, Place, Provider
from .providers import provider_of_exchanger

SECONDS: Final = 5.0
"""Seconds that one question may take, with all its repetitions."""
SERVICES: Final = {
    IMAP: (("_imaps", True), ("_imap", False)),
    POP3: (("_pop3s", True), ("_pop3", False)),
}
"""The services of a protocol, the one with TLS from the first byte first (RFC 8314, 5.1)."""
NO_SERVICE: Final = "."
"""The target that means that there is no such service (RFC 2782)."""


class NoResolver(Exception):
    """dnspython is not installed."""


class Service(Record):
    """One SRV record."""

    priority: int
    weight: int
    port: int
    target: str


class Resolver(Protocol):
    """Asks for records. A name without any, and a name service that fails, have none."""

    def services(self, name: str) -> Sequence[Service]:
        """Return the SRV records of a name."""
        ...

    def exchangers(self, domain: str) -> Sequence[str]:
        """Return the hosts that receive the mail of a domain, the preferred one first."""
        ...


class DnsResolver:
    """Asks the name servers of this machine. Raises NoResolver without dnspython."""

    def __init__(self, servers: Sequence[str] = (), port: int = 53) -> None:
        # By name: type checkers need not find it.
        try:
            library: Any = import_module("dns.resolver")
            exceptions: Any = import_module("dns.exception")
        except ModuleNotFoundError:
            raise NoResolver from None
        self._failures: tuple[type[Exception], ...] = (exceptions.DNSException, OSError)
        self._resolver: Any = None
        try:
            self._resolver = library.Resolver(configure=not servers)
        except self._failures:
            # There is no /etc/resolv.conf.
            return
        if servers:
            self._resolver.nameservers = list(servers)
            self._resolver.port = port

    def services(self, name: str) -> Sequence[Service]:
        """Return the SRV records of a name."""
        return [
            Service(one.priority, one.weight, one.port, one.target.to_text())
            for one in self._ask(name, "SRV")
        ]

    def exchangers(self, domain: str) -> Sequence[str]:
        """Return the hosts that receive the mail of a domain, the preferred one first."""
        found = sorted(self._ask(domain, "MX"), key=lambda one: one.preference)
        return [one.exchange.to_text() for one in found]

    def _ask(self, name: str, kind: str) -> list[Any]:
        """Return the records of a kind, as the library has them."""
        if self._resolver is None:
            return []
        try:
            return list(self._resolver.resolve(f"{name}.", kind, lifetime=SECONDS))
        except self._failures:
            return []


def places_by_srv(
    resolver: Resolver, domain: str, address: str, protocols: Sequence[str]
) -> list[Place]:
    """Return where SRV records say that the mail of an address is.

    The records are ordered by priority, then by weight: a choice by chance (RFC 2782) is for many
    clients, and this one wants the same answer each time.
    """
    name = ascii_name(domain)
    places: list[Place] = []
    for protocol in protocols if name else ():
        for service, wrapped in SERVICES[protocol]:
            records = resolver.services(f"{service}._tcp.{name}")
            for one in sorted(records, key=lambda one: (one.priority, -one.weight)):
                host = one.target.rstrip(".")
                if one.target == NO_SERVICE or not host or not one.port:
                    continue
                found_by = f"from the SRV record of {domain}"
                places.append(
                    Place(
                        protocol,
                        host.lower(),
                        one.port,
                        wrapped,
                        address,
                        found_by,
                        certain=is_within(host, domain),
                    )
                )
    return places


def provider_by_mx(resolver: Resolver, domain: str) -> Provider | None:
    """Return the known provider that receives the mail of a domain, or None."""
    name = ascii_name(domain)
    for host in resolver.exchangers(name) if name else ():
        if provider := provider_of_exchanger(host):
            return provider
    return None


def is_within(host: str, domain: str) -> bool:
    """Whether a host belongs to a domain, as far as its name says."""
    return f".{host.lower().rstrip('.')}".endswith(f".{domain.lower().rstrip('.')}")


def ascii_name(domain: str) -> str:
    """Return a domain in ASCII, or "" if it cannot be one."""
    try:
        return ascii_host(domain)
    except BadHostName:
        return ""
