"""Derive the envelope sender and recipient from the header and the options.

The sender is searched in the same fields as in fetchmail. An address is used only if it is
valid in an SMTP path (RFC 5321, section 4.1.2) and as one argument of a program; otherwise
the search continues. A message is never lost because its sender is malformed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from .addresses import Address, first_address, quoted_end
from .header import Field
from .hosts import LABEL_BYTES, domain_part, strict_domain_part

MAX_PATH = 498
"""Maximum length of an address in octets; it fits a MAIL FROM:<> line (RFC 5321, 4.5.3.1.4)."""

EIGHT_BIT = bytes(range(0x80, 0x100))
DOMAIN_BYTES = LABEL_BYTES + b"." + EIGHT_BIT
LITERAL_BYTES = LABEL_BYTES + b".:"
LOCAL_BYTES = DOMAIN_BYTES + b"!#$%&'*+/=?^`{|}~"
PLAIN_PATH = re.compile(rb"[A-Za-z0-9._+-]++@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)*")
"""Most addresses that are valid in a path: a short cut."""
PRINTABLE = bytes(range(0x20, 0x7F)) + EIGHT_BIT

SENDERS = (
    (b"resent-sender", True),
    (b"sender", True),
    (b"resent-from", False),
    (b"from", False),
    (b"reply-to", False),
    (b"apparently-from", False),
)
"""The fields to search after Return-Path, and whether an address there must have a host."""


def envelope_sender(
    fields: Sequence[Field], truename: str, *, for_mda: bool = False, rewrite: bool = True
) -> bytes | None:
    """Return the sender named in the header, without angle brackets.

    The result is b"" (the null sender) for a Return-Path of ``<>``, and None if the header
    names no usable sender: see ``fallback_sender``. For SMTP the result is ASCII, because other
    octets need SMTPUTF8 (RFC 6531, 3.4); for an MDA they are allowed. ``rewrite`` is the
    option of that name: it adds a host to every address before the sender is searched.
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
    """Yield the candidate senders, best first; only the first may be ``<>``."""
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
    """Return the sender for a message without one: the account that it came from, in ASCII."""
    login = user.encode("ascii", "replace")
    if is_path(login):
        return login
    return local_part(login.decode("ascii")) + b"@" + strict_domain_part(truename)


@lru_cache(maxsize=64)
def recipient_address(
    local_name: str, domain: str, smtp_name: str | None, smtp_address: str | None
) -> bytes:
    """Return the recipient of a single-drop message, without angle brackets.

    A local name with ``@`` is used unchanged; ``smtp_name`` replaces any other name. The domain
    is ``smtp_address`` or ``domain``, the domain of the sink. A sink without a domain (an MDA)
    gets the bare name. For other sinks the local part is quoted if necessary.
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
    """Whether an address is valid in an SMTP path: local@domain, or the old host!user.

    This is stricter than safety requires (no control character, angle bracket or bare blank is
    allowed), because an SMTP server that refuses MAIL would refuse the message permanently.
    """
    if len(address) > MAX_PATH:
        return False
    return PLAIN_PATH.fullmatch(address) is not None or is_any_path(address)


def is_any_path(address: bytes) -> bool:
    """Like ``is_path`` for an address that is not too long, without its short cut."""
    local, at, domain = address.rpartition(b"@")
    if not at:
        return b"!" in address and is_local_part(address)
    return is_local_part(local) and is_domain(domain)


def is_local_part(local: bytes) -> bool:
    """Whether this is a Dot-string, leniently parsed, or a Quoted-string (RFC 5321, 4.1.2)."""
    if local.startswith(b'"'):
        return is_quoted_string(local)
    # Leading, trailing and consecutive dots violate the grammar, but occur in practice.
    return bool(local) and not local.translate(None, LOCAL_BYTES)


def is_quoted_string(text: bytes) -> bool:
    """Whether this is one printable line and its last octet closes the opening quote."""
    return quoted_end(text, 0) == len(text) and not text.translate(None, PRINTABLE)


def is_domain(domain: bytes) -> bool:
    """Whether this is a Domain or an address-literal (RFC 5321, 4.1.2 and 4.1.3)."""
    if domain.startswith(b"["):
        inner = domain[1:-1]
        return domain.endswith(b"]") and bool(inner) and not inner.translate(None, LITERAL_BYTES)
    return not domain.translate(None, DOMAIN_BYTES) and all(domain.split(b"."))


def local_part(name: str) -> bytes:
    """Return a name from the configuration as a local part in UTF-8, quoted if necessary."""
    local = printable_bytes(name)
    if is_local_part(local):
        return local
    return b'"' + local.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def printable_bytes(text: str) -> bytes:
    """Return text as UTF-8, with ``?`` for control characters, which quoting cannot protect."""
    encoded = text.encode("utf-8", "surrogateescape")
    if not encoded.translate(None, PRINTABLE):
        return encoded
    return bytes(byte if byte in PRINTABLE else ord("?") for byte in encoded)
