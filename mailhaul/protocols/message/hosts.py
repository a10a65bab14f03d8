"""Host names from configuration and system, as they may stand in a header or an address."""

from __future__ import annotations

LABEL_BYTES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
HOST_BYTES = LABEL_BYTES + b".:%"


def host_bytes(host: str) -> bytes:
    """Return a host name or IP address as ASCII; what no host name holds becomes ``-``."""
    name = host.encode("ascii", "replace")
    for byte in set(name.translate(None, HOST_BYTES)):
        name = name.replace(bytes((byte,)), b"-")
    return name.strip(b".") or b"localhost"


def domain_part(host: str) -> bytes:
    """Return what stands behind the ``@``: a name or IPv4 address as it is, IPv6 as a literal.

    An IPv4 address without brackets is no domain literal (RFC 5321, 4.1.3), but it is what
    rc files and listeners have agreed on.
    """
    name = host_bytes(host)
    return b"[IPv6:" + name + b"]" if b":" in name else name


def strict_domain_part(host: str) -> bytes:
    """Return what stands behind the ``@`` by the book: any IP address is in brackets."""
    name = domain_part(host)
    numbers = name.split(b".")
    if len(numbers) == 4 and all(number.isdigit() for number in numbers):
        return b"[" + name + b"]"
    return name
