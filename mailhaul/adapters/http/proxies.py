"""The proxy for a request, from the environment, as curl and Python's urllib understand it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes, urlsplit

from ...flows.requests import Tcp
from ...protocols.http import Url
from ...protocols.record import Record
from ...protocols.secret import Secret

VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
EXCEPTIONS = ("no_proxy", "NO_PROXY")
DEFAULT_PORT = 1080
"""As in curl, for a proxy without a port."""


class BadProxy(ValueError):
    """The environment names a proxy that cannot be used. ``str()`` is for the user."""


class Proxy(Record):
    """An HTTP proxy. ``authorization`` is the value of Proxy-Authorization, if there is one."""

    address: Tcp
    authorization: Secret | None = None


def proxy_for(url: Url, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy through which to reach an address; None for a direct connection.

    Addresses without TLS are on this machine, and reached directly. Raises BadProxy.
    """
    name = next((name for name in VARIABLES if environment.get(name)), None)
    if name is None or url.scheme != "https":
        return None
    exceptions = next((environment[name] for name in EXCEPTIONS if environment.get(name)), "")
    if is_excepted(url, exceptions):
        return None
    return parse_proxy(name, environment[name])


def parse_proxy(name: str, value: str) -> Proxy:
    """Return the proxy that a variable names. Raises BadProxy, whose text has no password."""
    text = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadProxy(f"{name} in the environment is not the address of a proxy") from None
    if parts.scheme != "http":
        raise BadProxy(
            f"{name} in the environment: a proxy of the kind {parts.scheme}:// is not supported, "
            "only http://"
        )
    if not host:
        raise BadProxy(f"{name} in the environment is not the address of a proxy")
    address = Tcp(host, DEFAULT_PORT if port is None else port)
    if parts.username is None:
        return Proxy(address)
    pair = unquote_to_bytes(parts.username) + b":" + unquote_to_bytes(parts.password or "")
    return Proxy(address, Secret(b"Basic " + b64encode(pair)))


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
