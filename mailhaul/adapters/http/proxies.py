"""The proxy for a request, from the environment, as curl and Python's urllib understand it."""

from __future__ import annotations

from collections.abc import Mapping

from ...protocols.http import Url
from ...protocols.proxy.address import BadProxy, Proxy, parse_proxy

VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
EXCEPTIONS = ("no_proxy", "NO_PROXY")


def proxy_for(url: Url, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy through which to reach an address; None for a direct connection.

    Addresses without TLS are on this machine, and reached directly. Raises BadProxy, whose text
    names the variable and has no password.
    """
    name = next((name for name in VARIABLES if environment.get(name)), None)
    if name is None or url.scheme != "https":
        return None
    exceptions = next((environment[name] for name in EXCEPTIONS if environment.get(name)), "")
    if is_excepted(url, exceptions):
        return None
    try:
        return parse_proxy(environment[name])
    except BadProxy as fault:
        raise BadProxy(f"{name} in the environment: {fault}") from None


def is_excepted(url: Url, exceptions: str) -> bool:
    """Whether a list of names, domains, addresses and networks contains the host of an address."""
    host = url.host.lower().rstrip(".")
    for entry in exceptions.replace(",", " ").split():
        name, port = split_port(entry.lower())
        if port and port != str(url.port):
            continue
        name = name.removeprefix("*").strip("[]").strip(".")
        if not name or host == name or host.endswith("." + name) or is_in_network(host, name):
            return entry.strip("*.") != "" or entry == "*"
    return False


def split_port(entry: str) -> tuple[str, str]:
    """Return the name and the port of an entry; a literal IPv6 address has no port."""
    if entry.startswith("[") or entry.count(":") == 1:
        name, _, port = entry.rpartition(":")
        if port.isdecimal() and (not name.startswith("[") or name.endswith("]")):
            return name, port
    return entry, ""


def is_in_network(host: str, network: str) -> bool:
    """Whether a literal address is in a network such as 10.0.0.0/8."""
    if "/" not in network:
        return False
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
