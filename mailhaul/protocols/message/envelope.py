"""Who sent a message and whom it goes to, from its header and the account."""

from __future__ import annotations

from collections.abc import Sequence

from .addresses import addresses
from .header import Field

FULL_ADDRESS_ONLY = (b"resent-sender", b"sender")
"""Fields that count only if their address has a host."""
SENDER_FIELDS = (
    b"resent-sender",
    b"sender",
    b"resent-from",
    b"from",
    b"reply-to",
    b"apparently-from",
)
"""Where a sender is looked for after Return-Path, in this order."""
LONGEST = 254
"""Octets of an address at most (RFC 5321, 4.5.3.1.3 less the angle brackets)."""


def envelope_sender(fields: Sequence[Field], truename: str) -> bytes | None:
    """Return the envelope sender as fetchmail finds it, without angle brackets.

    b"" is the null sender that a Return-Path of ``<>`` gives. None says that the message names
    no usable sender: see ``fallback_sender``. The result is safe as an SMTP path.
    """
    for item in fields:
        if item.name.lower() == b"return-path":
            found = first_address(item)
            if found is not None and (not found or is_safe(found)):
                return with_host(found, truename) if found else b""
            break
    for name in SENDER_FIELDS:
        matching = [item for item in fields if item.name.lower() == name]
        found = first_address(matching[-1]) if matching else None
        if not found or not is_safe(found) or found.startswith(b"@"):
            continue
        if name in FULL_ADDRESS_ONLY and b"@" not in found and b"!" not in found:
            continue
        return with_host(found, truename)
    return None


def fallback_sender(user: str, truename: str) -> bytes:
    """Return the sender of a message that names none: the account it came from."""
    login = user.encode("utf-8", "surrogateescape")
    found = with_host(login, truename)
    return found if is_safe(found) else b""


def first_address(item: Field) -> bytes | None:
    """Return the first address of a field; None if it holds none."""
    found = addresses(item.body)
    return found[0].value if found else None


def with_host(address: bytes, host: str) -> bytes:
    """Return the address with a host, if it has none and is no UUCP path."""
    if b"@" in address or b"!" in address:
        return address
    name = host.encode("idna") if not host.isascii() else host.encode("ascii")
    literal = all(part.isdigit() for part in host.split(".")) and host.count(".") == 3
    return address + (b"@[%b]" if literal else b"@%b") % name


def is_safe(address: bytes) -> bool:
    """Tell whether an address can stand between angle brackets and end nowhere else."""
    if len(address) > LONGEST or any(byte < 32 or byte == 127 for byte in address):
        return False
    quoted = escaped = False
    for byte in address:
        if escaped:
            escaped = False
        elif byte == 0x5C:
            escaped = True
        elif byte == 0x22:
            quoted = not quoted
        elif byte in b" <>" and not quoted:
            return False
    return not quoted and not escaped


def recipient_address(
    local_name: str, domain: str, smtp_name: str | None, smtp_address: str | None
) -> bytes:
    """Return the recipient of a single-drop message.

    A name with ``@`` stays as it is, ``smtpname`` replaces any other one, and the domain is
    ``smtpaddress`` or that of the sink. A sink without a domain (an MDA) gets the bare name.
    """
    if "@" not in local_name:
        if smtp_name:
            local_name = smtp_name
        elif domain:
            local_name = f"{local_name}@{smtp_address or domain}"
    return local_name.encode("utf-8", "surrogateescape")
