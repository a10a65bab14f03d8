"""From header and options to the envelope: who sent it, and whom it is for.

The sender is searched for where fetchmail searches, and what is found is used only if it
can stand in an SMTP path (RFC 5321, section 4.1.2) and as one argument of a program;
otherwise the search goes on. A message is never lost for the form of its sender.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .addresses import Address, first_address, quoted_end
from .header import Field
from .hosts import LABEL_BYTES, domain_part, strict_domain_part

PATH_LIMIT = 498
"""Octets of an address that fit a command line with MAIL FROM:<> (RFC 5321, 4.5.3.1.4)."""

EIGHT_BIT = bytes(range(0x80, 0x100))
DOMAIN_BYTES = LABEL_BYTES + b"." + EIGHT_BIT
LITERAL_BYTES = LABEL_BYTES + b".:"
LOCAL_BYTES = DOMAIN_BYTES + b"!#$%&'*+/=?^`{|}~"
PRINTABLE = bytes(range(0x20, 0x7F)) + EIGHT_BIT

SENDERS = (
    (b"resent-sender", True),
    (b"sender", True),
    (b"resent-from", False),
    (b"from", False),
    (b"reply-to", False),
    (b"apparently-from", False),
)
"""Where to look after Return-Path, and whether an address counts there only with its host."""


def envelope_sender(
    fields: Sequence[Field], truename: str, *, for_mda: bool = False, rewrite: bool = True
) -> bytes | None:
    """Return the sender that the header names, without angle brackets.

    b"" is the null sender that a Return-Path of ``<>`` gives. None says that the header
    names no usable one: see ``fallback_sender``. For SMTP the result is ASCII, because other
    octets need SMTPUTF8 (RFC 6531, 3.4); for an MDA they pass. ``rewrite`` is the option of
    that name: it gives a host to every address, before the sender is looked for.
    """
    for address in candidates(fields, rewrite):
        if not address.spec:
            return b""
        sender = address.spec
        if address.hostless:
            sender += b"@" + strict_domain_part(truename)
        if (for_mda or sender.isascii()) and is_path(sender):
            return sender
    return None


def candidates(fields: Sequence[Field], rewrite: bool) -> Iterator[Address]:
    """Yield the addresses that may be the sender, best first; only the first may be ``<>``."""
    last = {field.key: field for field in fields}
    if b"return-path" in last:
        first = next(field for field in fields if field.key == b"return-path")
        address = first_address(first.body)
        if address is not None:
            yield address
    for key, needs_host in SENDERS:
        address = first_address(last[key].body) if key in last else None
        if address is None or not address.spec:
            continue
        if rewrite or not (needs_host and address.hostless):
            yield address


def fallback_sender(user: str, truename: str) -> bytes:
    """Return the sender of a message that names none: the account it came from, in ASCII."""
    login = user.encode("ascii", "replace")
    if is_path(login):
        return login
    return local_part(login.decode("ascii")) + b"@" + strict_domain_part(truename)


def recipient_address(
    local_name: str, domain: str, smtp_name: str | None, smtp_address: str | None
) -> bytes:
    """Return whom a single-drop message is for, without angle brackets.

    A name with ``@`` stays as it is, ``smtpname`` replaces any other one, and the domain is
    ``smtpaddress`` or that of the sink. A sink without a domain (an MDA) gets the bare name.
    For the others a local part that needs it is quoted.
    """
    name = local_name if "@" in local_name or not smtp_name else smtp_name
    if not domain:
        return printable_bytes(name)
    user, at, host = name.rpartition("@")
    if at:
        return local_part(user) + b"@" + domain_part(host)
    if smtp_name:
        return local_part(name)
    return local_part(name) + b"@" + domain_part(smtp_address or domain)


def is_path(address: bytes) -> bool:
    """Whether an address can stand in an SMTP path: local@domain, or host!user as of old.

    Stricter than needed for safety (no control character, angle bracket or bare blank gets
    through), because a listener that refuses MAIL would refuse the message for good.
    """
    local, at, domain = address.rpartition(b"@")
    if len(address) > PATH_LIMIT:
        return False
    if not at:
        return b"!" in address and is_local_part(address)
    return is_local_part(local) and is_domain(domain)


def is_local_part(local: bytes) -> bool:
    """Whether this is a Dot-string, freely read, or a Quoted-string (RFC 5321, 4.1.2)."""
    if local.startswith(b'"'):
        return is_quoted_string(local)
    # Dots at the ends or in a row are against the rules and in use all the same.
    return bool(local) and not local.translate(None, LOCAL_BYTES)


def is_quoted_string(text: bytes) -> bool:
    """Whether the quote that opens this is closed by its last octet, on one printable line."""
    return quoted_end(text, 0) == len(text) and not text.translate(None, PRINTABLE)


def is_domain(domain: bytes) -> bool:
    """Whether this is a Domain or an address-literal (RFC 5321, 4.1.2 and 4.1.3)."""
    if domain.startswith(b"["):
        inner = domain[1:-1]
        return domain.endswith(b"]") and bool(inner) and not inner.translate(None, LITERAL_BYTES)
    return not domain.translate(None, DOMAIN_BYTES) and all(domain.split(b"."))


def local_part(name: str) -> bytes:
    """Return a name from the configuration as a local part, quoted where that is needed."""
    local = printable_bytes(name)
    if is_local_part(local):
        return local
    return b'"' + local.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def printable_bytes(text: str) -> bytes:
    """Return text as UTF-8, with ``?`` for control characters: no quoting lets them through."""
    encoded = text.encode("utf-8", "surrogateescape")
    return bytes(byte if byte in PRINTABLE else ord("?") for byte in encoded)
