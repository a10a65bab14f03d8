"""What tells one message from another that has its UID and its size.

A server may give the UID of a message that is gone to a new one, and two messages may have equally
many octets. These fields are written by whoever sends the message, and no server on the way to its
reader has a reason to change them (RFC 5322, 3.6).
"""

from __future__ import annotations

import re

FIELDS = re.compile(
    rb"^(message-id|date|from)[ \t]*:(.*(?:\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE
)
OCTETS = 8
LOOKED_AT = 8192
"""Octets of one field that count: a field of a megabyte is not taken apart into words."""


def fingerprint(header: bytes) -> bytes:
    """Return eight octets for the fields of a header that servers do not change.

    How the fields are folded, and how lines end, does not matter, nor what follows the header.
    Without any of the fields it is b"", which stands for no fingerprint.
    """
    # OpenSSL is loaded with it: a poll that finds no mail does without.
    from hashlib import blake2b

    lines = header.replace(b"\r\n", b"\n").replace(b"\r", b"\n").partition(b"\n\n")[0]
    found: dict[bytes, bytes] = {}
    for name, body in FIELDS.findall(lines):
        found.setdefault(name.lower(), b" ".join(body[:LOOKED_AT].split()))
    if not found:
        return b""
    text = b"\n".join(b"%b:%b" % one for one in sorted(found.items()))
    return blake2b(text, digest_size=OCTETS).digest()
