"""Distinguish two messages that have the same UID and the same size.

A server may reuse the UID of a deleted message, and two messages may have the same size. The fields
of the fingerprint are written by the sender, and no relay has a reason to change them
(RFC 5322, 3.6).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .header import Field

NAMES = frozenset({b"message-id", b"date", b"from"})
FIELDS = rb"(?im)^(message-id|date|from)[ \t]*:(.*(?:\n[ \t].*)*)"
DIGEST_OCTETS = 8
MAX_FIELD = 8192
"""Maximum number of octets of a field that count; the rest of a longer field is ignored."""


@cache
def fields() -> re.Pattern[bytes]:
    """Return the compiled expression; a poll that finds no mail does not need it."""
    return re.compile(FIELDS)


def fingerprint(header: bytes) -> bytes:
    """Return an eight-octet digest of the header fields that servers do not change.

    The result does not depend on folding, on line ends, or on the body. It is b"" (no
    fingerprint) if none of the fields is present.
    """
    lines = header.replace(b"\r\n", b"\n").replace(b"\r", b"\n").partition(b"\n\n")[0]
    found: dict[bytes, bytes] = {}
    for name, body in fields().findall(lines):
        found.setdefault(name.lower(), b" ".join(body[:MAX_FIELD].split()))
    return digest(found)


def fingerprint_of(fields: Sequence[Field]) -> bytes:
    """Return the same for a header that has been split into fields, without searching it again."""
    header = b"".join([field.raw for field in fields])
    if b"\0" in header or header.count(b"\r") != header.count(b"\r\n"):
        return fingerprint(header)
    found: dict[bytes, bytes] = {}
    for field in fields:
        if field.key in NAMES and field.key not in found:
            body = field.raw[field.raw.find(b":") + 1 :].replace(b"\r\n", b"\n")
            found[field.key] = b" ".join(body[:MAX_FIELD].split())
    return digest(found)


def digest(found: Mapping[bytes, bytes]) -> bytes:
    """Return the digest of the bodies of some fields, b"" if there are none."""
    if not found:
        return b""
    try:
        # hashlib has the same function, and loads OpenSSL for others: that takes 4 ms.
        from _blake2 import blake2b
    except ImportError:
        from hashlib import blake2b

    text = b"\n".join(map(b"%b:%b".__mod__, sorted(found.items())))
    return blake2b(text, digest_size=DIGEST_OCTETS).digest()
