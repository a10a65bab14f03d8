"""Format host names from the configuration and the system for headers and addresses."""

from __future__ import annotations

from functools import lru_cache

LABEL_BYTES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
HOST_BYTES = LABEL_BYTES + b".:%"


def host_bytes(host: str) -> bytes:
    """Return a host name or IP address as ASCII; characters invalid in one become ``-``."""
    name = host.encode("ascii", "replace")
    for byte in set(name.translate(None, HOST_BYTES)):
        name = name.replace(bytes((byte,)), b"-")
    return name.strip(b".") or b"localhost"


@lru_cache(maxsize=16)
def domain_part(host: str) -> bytes:
    """Return a host as the domain of an address: a name or IPv4 address, or an IPv6 literal.

    An IPv4 address without brackets is not a valid address literal (RFC 5321, 4.1.3), but rc
    files and SMTP servers use this form in practice.
    """
    name = host_bytes(host)
    return b"[IPv6:" + name + b"]" if b":" in name else name


def strict_domain_part(host: str) -> bytes:
    """Return a host as the domain of an address, with any IP address in brackets."""
    name = domain_part(host)
    numbers = name.split(b".")
    if len(numbers) == 4 and all(number.isdigit() for number in numbers):
        return b"[" + name + b"]"
    return name
